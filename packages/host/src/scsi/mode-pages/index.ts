import { caching } from './caching'
import { control } from './control'
import { controlExtension } from './control-extension'
import { disconnectReconnect } from './disconnect'
import { errorRecovery } from './error-recovery'
import { informationalExceptions } from './exceptions'
import type { ModeState } from '../lun'
import type { ModePage } from './page'
import { powerCondition } from './power'
import { logicalBlockProvisioning, noThresholds } from './provisioning'

/** Nothing of it changed. */
export const initialModes = (): ModeState => ({ dSense: false, swp: false, lbpere: false, thresholds: noThresholds })

/** Mode pages of a block device, in the order in which MODE SENSE returns them. */
export const blockModePages: readonly ModePage[] = [
  errorRecovery, disconnectReconnect, caching, control, controlExtension, powerCondition, informationalExceptions, logicalBlockProvisioning,
]

export * from './caching'
export * from './control'
export * from './error-recovery'
export * from './control-extension'
export * from './disconnect'
export * from './exceptions'
export * from './page'
export * from './power'
export * from './provisioning'
