import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { LoginError, LoginStatus } from './errors'
import { numberOf } from './negotiation'
import type { Pair } from './text'

export interface ChapCredentials {
  readonly user: string
  readonly secret: string
}
/** What an initiator has to know; `mutual`: what we prove to it when it asks (RFC 7143 9.2.1). */
export interface ChapOptions extends ChapCredentials {
  readonly mutual?: ChapCredentials
}

/** RFC 7143 12.1.3 and the IANA registry "PPP authentication algorithms". */
const algorithms = new Map([[5, 'md5'], [7, 'sha256']])
const CHALLENGE = 16
const MAX_CHALLENGE = 1024

const refuse = (why: string): LoginError => new LoginError(LoginStatus.AUTHENTICATION_FAILED, `CHAP: ${why}`)

/** RFC 7143 6.1 large binary values: 0x or 0b. Throws a LoginError. */
function binary(key: string, text: string): Buffer {
  const hex = /^0[xX]([0-9a-fA-F]+)$/.exec(text)?.[1]
  const base64 = /^0[bB]([A-Za-z0-9+/]+=*)$/.exec(text)?.[1]
  const bytes = hex !== undefined ? Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex') : base64 !== undefined ? Buffer.from(base64, 'base64') : undefined
  if (!bytes?.length || bytes.length > MAX_CHALLENGE) throw refuse(`${key} is not a binary value of 1 to ${MAX_CHALLENGE} bytes`)
  return bytes
}
const hex = (bytes: Buffer): string => `0x${bytes.toString('hex')}`

/** RFC 1994 4.1: hash of identifier, secret and challenge. */
export const chapResponse = (algorithm: string, id: number, secret: string, challenge: Buffer): Buffer =>
  createHash(algorithm).update(Uint8Array.of(id)).update(secret, 'utf8').update(challenge).digest()

const same = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b)
/** Compared by digest, so that neither length nor common prefix shows in time. */
const sameText = (a: string, b: string): boolean => same(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())

/** The target's side of one CHAP exchange: algorithm, challenge, response. */
export class Chap {
  private stage: 'algorithm' | 'response' | 'done' = 'algorithm'
  private algorithm = ''
  private readonly id = randomBytes(1)[0]!
  private readonly challenge = randomBytes(CHALLENGE)

  constructor(private readonly options: ChapOptions) {}

  get done(): boolean {
    return this.stage === 'done'
  }

  /** Answer the CHAP keys of one login request; nothing when there were none. Throws a LoginError. */
  step(keys: ReadonlyMap<string, string>): Pair[] {
    if (this.stage === 'algorithm') return keys.has('CHAP_A') ? this.choose(keys.get('CHAP_A')!) : []
    if (this.stage === 'response') return this.verify(keys)
    if ([...keys.keys()].some((k) => k.startsWith('CHAP_'))) throw refuse('keys after the exchange has ended')
    return []
  }

  private choose(offer: string): Pair[] {
    const chosen = offer.split(',').map(numberOf).find((n) => algorithms.has(n))
    if (chosen === undefined) throw refuse(`no algorithm in common with ${JSON.stringify(offer.slice(0, 80))}`)
    this.algorithm = algorithms.get(chosen)!
    this.stage = 'response'
    return [['CHAP_A', String(chosen)], ['CHAP_I', String(this.id)], ['CHAP_C', hex(this.challenge)]]
  }

  private verify(keys: ReadonlyMap<string, string>): Pair[] {
    const user = keys.get('CHAP_N')
    const response = keys.get('CHAP_R')
    if (user === undefined || response === undefined) throw refuse('CHAP_N and CHAP_R were expected')
    const right = chapResponse(this.algorithm, this.id, this.options.secret, this.challenge)
    const proven = same(binary('CHAP_R', response), right)
    if (!sameText(user, this.options.user) || !proven) throw refuse('wrong user or secret')
    this.stage = 'done'
    return keys.has('CHAP_C') || keys.has('CHAP_I') ? this.prove(keys) : []
  }

  /** RFC 7143 9.2.1: never answer with the secret of the other direction, or to our own challenge. */
  private prove(keys: ReadonlyMap<string, string>): Pair[] {
    const { mutual } = this.options
    if (!mutual) throw refuse('the initiator wants proof of the target, and no mutual secret is set')
    const id = numberOf(keys.get('CHAP_I') ?? '')
    if (!(id >= 0 && id <= 255)) throw refuse('CHAP_I is not a number from 0 to 255')
    const challenge = binary('CHAP_C', keys.get('CHAP_C') ?? '')
    if (same(challenge, this.challenge)) throw refuse('the initiator sent our own challenge back')
    return [['CHAP_N', mutual.user], ['CHAP_R', hex(chapResponse(this.algorithm, id, mutual.secret, challenge))]]
  }
}
