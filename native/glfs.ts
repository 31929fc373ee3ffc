import { loadLibrary, type NativeLibrary } from './index'

export { ABI_VERSION } from './index'
export type { NativeLibrary, NativeSession } from './index'

/** The library's file, by its ABI, and the Debian package that has it. */
export const LIBGFAPI = 'libgfapi.so.0'
export const DEBIAN_PACKAGE = 'libgfapi0'

/** Sessions that have a file of a volume open; `src/glfs/file_session.cpp` lists the calls. */
export interface NativeGlfs extends NativeLibrary {
  /** Find the library; undefined, or why it cannot be used. Nothing else may be called before. `old`: use what it had before 6.0. */
  load(file: string, old: boolean): string | undefined
  /** How many volumes this process is connected to. */
  connections(): number
}

/** Throws when the addon is not there. */
export const loadGlfs = (): NativeGlfs => loadLibrary<NativeGlfs>('tcmu_glfs')
