import * as native from '@tcmu/native'
import { ABI_VERSION, loadCore, type NativeCore, type NativeLibrary } from '@tcmu/native'
import { tcmuError } from '../errors'

/** Values of its own: what a module exports again costs a call at each use, and some of these are used for every operation. */
export const { Coalescing, IO_PENDING, IO_SYNC, IoOp } = native
export type { IoTable, NativeCore, NativeIoEngine, NativeLibrary, NativeNetlinkSocket, NativeSession, NativeUioMap } from '@tcmu/native'

/** The addon, loaded on first use. Throws E_ADDON_MISSING or E_ADDON_VERSION. */
export function loadNative(load: () => NativeCore = loadCore): NativeCore {
  let core: NativeCore
  try {
    core = load()
  } catch (cause) {
    throw tcmuError('E_ADDON_MISSING', { reason: (cause as Error).message.split('\n')[0] }, { cause })
  }
  if (core.abiVersion !== ABI_VERSION) throw tcmuError('E_ADDON_VERSION', { found: core.abiVersion, wanted: ABI_VERSION })
  return core
}

/** CRC-32C by the processor's instruction; undefined where it has none, or without the addon, which whoever needs it says. */
export function nativeCrc32c(): NativeCore['crc32c'] {
  try {
    return loadNative().crc32c
  } catch {
    return undefined
  }
}

/** A storage library's addon, as a handler brought it. Throws E_ADDON_VERSION when it is of another version than the host. */
export function checkLibrary(library: { readonly abiVersion: number }): NativeLibrary {
  if (library.abiVersion !== ABI_VERSION) throw tcmuError('E_ADDON_VERSION', { found: library.abiVersion, wanted: ABI_VERSION })
  return library as NativeLibrary
}
