/** What the cfgstring says after `fbo/`. */
export interface Config {
  /** The image; empty for a drive without a disc. */
  readonly path: string
}

/** What the C handler takes before the path, and what it means here: nothing, as discs are never written. */
const readOnlyPrefix = /^ro\//i

/** Read `/image.iso`, `ro//image.iso` or nothing; else a sentence that says what is wrong. */
export function parseConfig(text: string): Config | string {
  const path = text.replace(readOnlyPrefix, '')
  if (path === '' && text === '') return { path }
  if (path === '') return 'the path is missing; write fbo/ and then the path, as in fbo//srv/disc.iso'
  if (!path.startsWith('/')) return `the path must be absolute; write fbo//${path} if that is meant`
  return path.includes('\0') ? 'the path contains a zero byte' : { path }
}
