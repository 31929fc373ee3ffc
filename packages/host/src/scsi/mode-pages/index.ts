import { caching } from './caching'
import { control } from './control'
import { errorRecovery } from './error-recovery'
import { informationalExceptions } from './exceptions'
import type { ModePage } from './page'

/** Mode pages of a block device, in the order in which MODE SENSE returns them. */
export const blockModePages: readonly ModePage[] = [errorRecovery, caching, control, informationalExceptions]

export * from './caching'
export * from './control'
export * from './error-recovery'
export * from './exceptions'
export * from './page'
