import { loadLibrary, type NativeLibrary } from './index'

export { ABI_VERSION } from './index'
export type { NativeLibrary, NativeSession } from './index'

/** The libraries' files, by their ABI, and the Debian packages that have them. */
export const LIBRADOS = 'librados.so.2'
export const LIBRBD = 'librbd.so.1'
export const DEBIAN_PACKAGES = ['librados2', 'librbd1'] as const

/** Sessions that have one image open; `src/rbd/image.cpp` lists the calls. */
export interface NativeRbd extends NativeLibrary {
  /** Find the libraries; undefined, or why they cannot be used. Nothing else may be called before. */
  load(radosFile: string, rbdFile: string): string | undefined
}

/** Throws when the addon is not there. */
export const loadRbd = (): NativeRbd => loadLibrary<NativeRbd>('tcmu_rbd')
