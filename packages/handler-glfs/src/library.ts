import { DEBIAN_PACKAGE, LIBGFAPI, loadGlfs, type NativeGlfs } from '@tcmu/native/glfs'
import { refuse } from './refuse'

let loaded: NativeGlfs | undefined

/** Throws E_GLFS_LIBRARY where there is no addon or no libgfapi; it is looked for again next time. */
export function library(file = LIBGFAPI): NativeGlfs {
  if (loaded) return loaded
  let native: NativeGlfs
  let missing: string | undefined
  try {
    native = loadGlfs()
    missing = native.load(file, false)
  } catch (cause) {
    throw refuse('E_GLFS_LIBRARY', { reason: (cause as Error).message.split('\n')[0]!, package: DEBIAN_PACKAGE }, cause)
  }
  if (missing !== undefined) throw refuse('E_GLFS_LIBRARY', { reason: missing, package: DEBIAN_PACKAGE })
  return (loaded = native)
}
