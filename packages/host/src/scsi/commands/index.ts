import type { CommandRow } from '../command-table'
import { blockModePages } from '../mode-pages'
import { accessCommands } from './access'
import { cacheCommands } from './cache'
import { capacityCommands } from './capacity'
import { formatCommands } from './format'
import { diagnosticCommands } from './diagnostic'
import { inquiry } from './inquiry'
import { logSelect, logSense } from './log'
import { modeSelectCommands } from './mode-select'
import { modeSenseCommands } from './mode-sense'
import { readModifyWriteCommands } from './read-modify-write'
import { readyCommands } from './ready'
import { reportCommands } from './report'
import { referralCommands } from './referrals'
import { portGroupCommands } from './tpg'
import { sanitizeCommands } from './sanitize'
import { thirdPartyCopyCommands } from './third-party-copy'
import { provisioningCommands } from './unmap'
import { verifyCommands } from './verify'
import { writeSameCommands } from './write-same'

/** MODE SENSE and MODE SELECT over the mode pages of a block device. */
export const { modeSense6, modeSense10 } = modeSenseCommands(blockModePages)
export const { modeSelect6, modeSelect10 } = modeSelectCommands(blockModePages)

/** Everything that the host answers for a handler that moves blocks. Hot rows first. */
export const blockCommands: readonly CommandRow[] = [
  ...accessCommands,
  ...readyCommands,
  inquiry,
  ...capacityCommands,
  ...cacheCommands,
  modeSense6,
  modeSense10,
  modeSelect6,
  modeSelect10,
  logSense,
  logSelect,
  ...diagnosticCommands,
  ...verifyCommands,
  ...readModifyWriteCommands,
  ...provisioningCommands,
  ...writeSameCommands,
  ...reportCommands,
  ...portGroupCommands,
  ...referralCommands,
  ...formatCommands,
  ...sanitizeCommands,
  ...thirdPartyCopyCommands,
]

export * from './access'
export * from './cache'
export * from './capacity'
export * from './checks'
export * from './format'
export * from './diagnostic'
export * from './inquiry'
export * from './log'
export * from './mode-select'
export * from './mode-sense'
export * from './read-modify-write'
export * from './ready'
export * from './referrals'
export * from './report'
export * from './tpg'
export * from './sanitize'
export * from './third-party-copy'
export * from './unmap'
export * from './verify'
export * from './write-same'
