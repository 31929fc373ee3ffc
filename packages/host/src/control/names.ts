/** What configuration and command line call things; without the schema, which not every command needs. */
export const logLevelNames = ['crit', 'error', 'warning', 'info', 'debug', 'debug-scsi-cmd'] as const
export const ioEngineNames = ['auto', 'uring', 'threads'] as const
