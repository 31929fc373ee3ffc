import { CommandTable } from '@tcmu/host/scsi'
import type { MmcRow } from '../row'
import { accessCommands } from './access'
import { configurationCommands } from './configuration'
import { eventCommands } from './events'
import { identityCommands } from './identity'
import { informationCommands } from './information'
import { modeCommands } from './mode'
import { performanceCommands } from './performance'
import { readCdCommands } from './read-cd'
import { refusedCommands } from './refused'
import { removalCommands } from './removal'
import { structureCommands } from './structure'
import { tocCommands } from './toc'

/** Everything the drive answers. */
export const mmcCommands: readonly MmcRow[] = [
  ...accessCommands, ...identityCommands, ...removalCommands, ...configurationCommands, ...eventCommands, ...tocCommands, ...informationCommands,
  ...structureCommands, ...performanceCommands, ...modeCommands, ...readCdCommands, ...refusedCommands,
]
export const mmcTable = (): CommandTable => new CommandTable(mmcCommands)
