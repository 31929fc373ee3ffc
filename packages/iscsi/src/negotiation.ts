import { LoginError, LoginStatus } from './errors'
import type { Pair } from './text'

/** What a session runs with once both sides have agreed (RFC 7143 13). Lengths in bytes, times in seconds. */
export interface Parameters {
  HeaderDigest: string
  DataDigest: string
  MaxConnections: number
  InitialR2T: boolean
  ImmediateData: boolean
  /** What the initiator takes; what we take is our own limit. */
  MaxRecvDataSegmentLength: number
  MaxBurstLength: number
  FirstBurstLength: number
  DefaultTime2Wait: number
  DefaultTime2Retain: number
  MaxOutstandingR2T: number
  DataPDUInOrder: boolean
  DataSequenceInOrder: boolean
  ErrorRecoveryLevel: number
}
export type ParameterName = keyof Parameters

/** RFC 7143 6.2 ways to come to a result out of the initiator's offer and our own value. */
type Kind = 'list' | 'minimum' | 'maximum' | 'and' | 'or' | 'declare'

export interface KeyRow {
  readonly name: string
  readonly kind: Kind
  /** What holds when the key is not sent. */
  readonly initial: string | number | boolean
  /** What we want or, for `list`, what we can. */
  readonly ours: string | number | boolean | readonly string[]
  readonly from?: number
  readonly to?: number
  /** Leading login or full feature phase only; anything else may come in both stages of login. */
  readonly discovery?: 'irrelevant'
}

const MAX_24 = 2 ** 24 - 1
/** What we take in one PDU: the largest that initiators offer. */
export const MAX_RECEIVE = 262144
/** RFC 7143 13.12: in force before it is negotiated. */
export const DEFAULT_RECEIVE = 8192
const OUR_FIRST_BURST = 262144
const OUR_MAX_BURST = 1048576
const OUR_OUTSTANDING_R2T = 8
const digests = ['CRC32C', 'None']

/** The negotiable keys of RFC 7143 13. */
export const keyTable: readonly KeyRow[] = [
  { name: 'HeaderDigest', kind: 'list', initial: 'None', ours: digests },
  { name: 'DataDigest', kind: 'list', initial: 'None', ours: digests },
  { name: 'MaxConnections', kind: 'minimum', initial: 1, ours: 1, from: 1, to: 65535, discovery: 'irrelevant' },
  { name: 'InitialR2T', kind: 'or', initial: true, ours: false, discovery: 'irrelevant' },
  { name: 'ImmediateData', kind: 'and', initial: true, ours: true, discovery: 'irrelevant' },
  { name: 'MaxRecvDataSegmentLength', kind: 'declare', initial: DEFAULT_RECEIVE, ours: MAX_RECEIVE, from: 512, to: MAX_24 },
  { name: 'MaxBurstLength', kind: 'minimum', initial: 262144, ours: OUR_MAX_BURST, from: 512, to: MAX_24, discovery: 'irrelevant' },
  { name: 'FirstBurstLength', kind: 'minimum', initial: 65536, ours: OUR_FIRST_BURST, from: 512, to: MAX_24, discovery: 'irrelevant' },
  { name: 'DefaultTime2Wait', kind: 'maximum', initial: 2, ours: 0, from: 0, to: 3600 },
  { name: 'DefaultTime2Retain', kind: 'minimum', initial: 20, ours: 0, from: 0, to: 3600 },
  { name: 'MaxOutstandingR2T', kind: 'minimum', initial: 1, ours: OUR_OUTSTANDING_R2T, from: 1, to: 65535, discovery: 'irrelevant' },
  { name: 'DataPDUInOrder', kind: 'or', initial: true, ours: true, discovery: 'irrelevant' },
  { name: 'DataSequenceInOrder', kind: 'or', initial: true, ours: true, discovery: 'irrelevant' },
  { name: 'ErrorRecoveryLevel', kind: 'minimum', initial: 0, ours: 0, from: 0, to: 2 },
  // Markers were made obsolete by RFC 7143 13.25; "No" is what initiators of RFC 3720 understand.
  { name: 'IFMarker', kind: 'and', initial: false, ours: false },
  { name: 'OFMarker', kind: 'and', initial: false, ours: false },
  { name: 'iSCSIProtocolLevel', kind: 'minimum', initial: 1, ours: 1, from: 0, to: 31 },
  { name: 'TaskReporting', kind: 'list', initial: 'RFC3720', ours: ['RFC3720'] },
]
const rows = new Map(keyTable.map((row) => [row.name, row]))
/** Declared by the initiator for people; nothing is answered. */
const silent: ReadonlySet<string> = new Set(['InitiatorAlias'])

type Value = string | number | boolean
interface Outcome {
  readonly value?: Value
  readonly answer?: string
}
const REJECT: Outcome = { answer: 'Reject' }

/** RFC 7143 6.1: decimal, or hexadecimal after 0x. NaN when it is neither. */
export const numberOf = (text: string): number => (/^(0|[1-9][0-9]*|0[xX][0-9a-fA-F]{1,16})$/.test(text) ? Number(text) : NaN)
const yesNo = (value: boolean): string => (value ? 'Yes' : 'No')

function numeric(row: KeyRow, offer: string, choose: (offer: number, ours: number) => number): Outcome {
  const n = numberOf(offer)
  if (!(n >= row.from! && n <= row.to!)) return REJECT
  const value = choose(n, row.ours as number)
  return { value, answer: String(value) }
}
function boolean(offer: string, choose: (offer: boolean) => boolean): Outcome {
  if (offer !== 'Yes' && offer !== 'No') return REJECT
  const value = choose(offer === 'Yes')
  return { value, answer: yesNo(value) }
}

const results: Readonly<Record<Kind, (row: KeyRow, offer: string) => Outcome>> = {
  list(row, offer) {
    const value = offer.split(',').find((choice) => (row.ours as readonly string[]).includes(choice))
    return value === undefined ? REJECT : { value, answer: value }
  },
  minimum: (row, offer) => numeric(row, offer, Math.min),
  maximum: (row, offer) => numeric(row, offer, Math.max),
  and: (row, offer) => boolean(offer, (theirs) => theirs && row.ours === true),
  or: (row, offer) => boolean(offer, (theirs) => theirs || row.ours === true),
  declare(row, offer) {
    const value = numberOf(offer)
    if (!(value >= row.from! && value <= row.to!)) throw new LoginError(LoginStatus.INITIATOR_ERROR, `${row.name}=${offer} is not from ${row.from} to ${row.to}`)
    return { value }
  },
}

/** One negotiation: each key is settled once (RFC 7143 6.2). */
export class Negotiation {
  private readonly values = new Map<string, Value>()
  private readonly seen = new Set<string>()
  private declared = false

  constructor(private readonly discovery: () => boolean) {}

  /** Our side of one key that the initiator sent: the pair to answer with, or nothing. Throws a LoginError. */
  answer(key: string, offer: string): Pair | undefined {
    if (silent.has(key)) return undefined
    if (this.seen.has(key)) throw new LoginError(LoginStatus.INITIATOR_ERROR, `${key} was sent twice`)
    this.seen.add(key)
    const row = rows.get(key)
    if (!row) return [key, 'NotUnderstood']
    if (row.discovery && this.discovery()) return [key, 'Irrelevant']
    const outcome = results[row.kind](row, offer)
    if (outcome.value !== undefined) this.values.set(key, outcome.value)
    return outcome.answer === undefined ? undefined : [key, outcome.answer]
  }

  /** What we declare, once. */
  declarations(): Pair[] {
    if (this.declared) return []
    this.declared = true
    return keyTable.filter((row) => row.kind === 'declare').map((row) => [row.name, String(row.ours)] as const)
  }

  get parameters(): Parameters {
    const all = Object.fromEntries(keyTable.map((row) => [row.name, this.values.get(row.name) ?? row.initial])) as unknown as Parameters
    return { ...all, FirstBurstLength: Math.min(all.FirstBurstLength, all.MaxBurstLength) }
  }
}
