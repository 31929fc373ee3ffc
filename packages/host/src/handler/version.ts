/**
 * The version of the handler API: what a handler may define, what the host calls, what manifests may say. It moves by
 * semver and apart from the host's own version; a manifest's `apiVersion` is a range over it.
 */
export const HANDLER_API_VERSION = '1.1.0'

/** What changed in each version, newest first. A minor version only adds; a major version may take away. */
export const handlerApiChanges: readonly (readonly [version: string, change: string])[] = [
  ['1.1.0', '`file` and `locate`: the host moves bytes of the medium itself; `move` of files and images, `afterBatch` of files'],
  ['1.1.0', '`why` of `report`; `keep` and `kept` of the device'],
  ['1.1.0', '`thick` of the device, and `reserved` in `declare`'],
  ['1.1.0', '`io.image`: images and files of storage libraries'],
  ['1.1.0', '`direct` of `io.open`, and `alignment` of the file'],
  ['1.1.0', 'lock, unlock, getLockState, getLockTag; `reopen` of the device; `report` leads to recovery'],
  ['1.1.0', "commands handlers: the logical unit as third argument of `handleCmd`, `nexusLost`, `reset`, `dev.mediumChanged`, changes `eject` and `load`; `declare`: `sanitize`, `maxAtomicBlocks`; abilities `format`, `sanitize`, `writeAtomic`, `extendedCopy` for `lacking`; `report('space-low')`"],
  ['1.1.0', 'commands handlers: the host runs the rows of `commands`, over `medium`; `commands` and `deviceType` by state; `declare({ blockSize })`; several handlers in one package'],
  ['1.0.0', 'first version: blocks and commands handlers, structured options, IoFile'],
]
