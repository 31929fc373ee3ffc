/** Structured options of a LUN. */
export interface FileOptions {
  /** Read and write past the page cache. */
  readonly direct?: boolean
}

/** Where a LUN is kept, and how. */
export interface Place {
  readonly path: string
  readonly direct: boolean
}

/** For devices of the kernel, which have a text and no options: a path is absolute, so that no path begins with it. */
const DIRECT = 'direct:'

/** Read `/path` or `direct:/path`; what is wrong with the path is not looked at. */
export function placeOf(config: string, options: FileOptions | undefined): Place {
  const prefixed = config.startsWith(DIRECT)
  return { path: prefixed ? config.slice(DIRECT.length) : config, direct: prefixed || options?.direct === true }
}
