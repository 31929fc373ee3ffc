import { TcmuError } from '@tcmu/host/handler'

/** Why a file is refused: code, what happened to which file, and what to do. Codes are listed in README.md. */
const sentences = {
  E_GLFS_LIBRARY: 'libgfapi, which glfs needs, cannot be used: {reason}. Install it (Debian: apt-get install {package}), or give the LUN another handler',
  E_GLFS_CONFIG: '{device}: {reason}',
  E_GLFS_VOLUME: 'the servers of {location} know no volume {volume}, or do not tell this client of it. `gluster volume list` says which there are, its option auth.allow who may have it',
  E_GLFS_UNREACHABLE: 'the servers of {location} could not be reached ({code}). See that glusterd runs there and that its port is let through; several servers can be named, as in {volume}@host1,host2/file',
  E_GLFS_BRICKS: '{location} cannot be opened: glusterd answers, but no brick of {volume} does ({code}). See `gluster volume status {volume}`',
  E_GLFS_MISSING: '{location} is not there. Correct the path, or have it made: option `create`, and a size for {device}',
  E_GLFS_FOLDER: '{location} is a folder; name a file',
  E_GLFS_ACCESS: '{location} cannot be opened ({code}). See the permissions of the file, and the option auth.allow of {volume}',
  E_GLFS_SIZE: '{location} has {fileBytes} bytes, and {device} is to have {sizeBytes}; {reason}',
  E_GLFS_RESIZE: '{location} was not resized: {reason}',
  E_GLFS_HOST: 'this host cannot move data of storage libraries; it is older than the handler. Update @tcmu/host',
} as const

export type GlfsCode = keyof typeof sentences
export const refusals = Object.keys(sentences) as readonly GlfsCode[]

export function refuse(code: GlfsCode, facts: Readonly<Record<string, string | number>>, cause?: unknown): TcmuError {
  const sentence = sentences[code].replace(/\{(\w+)\}/g, (_, name: string) => String(facts[name] ?? '?'))
  return new TcmuError(code, sentence, facts, cause === undefined ? undefined : { cause })
}

/** Failures of one step of opening, by errno name; `*` is any other. */
type Failures = Readonly<Record<string, GlfsCode>>
export const connectFailures: Failures = { ENOENT: 'E_GLFS_VOLUME', EIO: 'E_GLFS_BRICKS', '*': 'E_GLFS_UNREACHABLE' }
export const openFailures: Failures = {
  ENOENT: 'E_GLFS_MISSING', EISDIR: 'E_GLFS_FOLDER', ENOTCONN: 'E_GLFS_BRICKS', ETIMEDOUT: 'E_GLFS_BRICKS', '*': 'E_GLFS_ACCESS',
}

export function refusalOf(failures: Failures, error: unknown, facts: Readonly<Record<string, string | number>>): TcmuError {
  const code = String((error as NodeJS.ErrnoException).code)
  return refuse(failures[code] ?? failures['*']!, { ...facts, code }, error)
}
