import { reasonOf, tcmuError } from '../errors'
import type { Chap } from '../frontend'
import { readBounded } from '../input'

/** Bytes; RFC 7143 12.1.3 asks for 96 bits at least where nothing else protects the exchange. */
const WEAK_SECRET = 12
const MAX_SECRET = 255
const MAX_USER = 255
const GROUP_OR_OTHERS = 0o077

export interface ChapConfig {
  readonly user: string
  readonly secretFile: string
  readonly mutualUser?: string
  readonly mutualSecretFile?: string
}

type Warn = (message: string) => void

/** One line of a file, its line end removed. Warns when others can read it. Throws E_SECRET_FILE. */
export function readSecret(file: string, warn: Warn): string {
  const wrong = (reason: string): Error => tcmuError('E_SECRET_FILE', { file, reason })
  let read: ReturnType<typeof readBounded>
  try {
    read = readBounded(file, 4096)
  } catch (e) {
    throw wrong((e as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : reasonOf(e))
  }
  if ('wanted' in read) throw wrong(`wanted ${read.wanted}, found ${read.found}`)
  const secret = read.text.replace(/\r?\n$/, '')
  if (secret === '') throw wrong('it is empty; put the secret on its first line')
  if (/[\p{Cc}\uFFFD]/u.test(secret)) throw wrong('it has more than one line, or characters that are not text')
  if (Buffer.byteLength(secret) > MAX_SECRET) throw wrong(`the secret is longer than ${MAX_SECRET} bytes`)
  if (read.mode & GROUP_OR_OTHERS) warn(`CHAP secret file ${file} can be read by others (mode ${(read.mode & 0o777).toString(8)}); chmod 600 it`)
  if (Buffer.byteLength(secret) < WEAK_SECRET) warn(`the secret in ${file} has less than ${WEAK_SECRET} bytes, which RFC 7143 12.1.3 calls too weak; some initiators refuse it`)
  return secret
}

/** Users and secrets from configuration and files. Throws E_CHAP or E_SECRET_FILE. */
export function readChap(config: Partial<ChapConfig>, warn: Warn): Chap | undefined {
  const wrong = (reason: string): Error => tcmuError('E_CHAP', { reason })
  const { user, secretFile, mutualUser, mutualSecretFile } = config
  const pair = (a: unknown, b: unknown, what: string): boolean => {
    if ((a === undefined) !== (b === undefined)) throw wrong(`${what} needs both a user and a secret file`)
    return a !== undefined
  }
  const mutual = pair(mutualUser, mutualSecretFile, 'mutual authentication')
  if (!pair(user, secretFile, 'authentication')) {
    if (mutual) throw wrong('mutual authentication comes on top of --chap-user and --chap-secret-file')
    return undefined
  }
  for (const name of [user!, mutualUser ?? 'x']) {
    if (name === '' || Buffer.byteLength(name) > MAX_USER || /\p{Cc}/u.test(name)) throw wrong(`a user name is 1 to ${MAX_USER} bytes of text`)
  }
  const secret = readSecret(secretFile!, warn)
  if (!mutual) return { user: user!, secret }
  const mutualSecret = readSecret(mutualSecretFile!, warn)
  // RFC 7143 12.1.3: an initiator could reflect the challenge otherwise.
  if (mutualSecret === secret) throw wrong('the two secrets must differ')
  return { user: user!, secret, mutualUser: mutualUser!, mutualSecret }
}
