import { DescriptorSense, FixedSense, sam, sense, senseKey } from '../scsi'

/** What an initiator knows of a command when it is over. */
export interface ScsiAnswer {
  /** SAM status. */
  readonly status: number
  /** Sense data as it came; empty without CHECK CONDITION. */
  readonly sense: Uint8Array
  /** Sense key and additional sense code with qualifier (ASC in the high byte); −1 without sense data. */
  readonly key: number
  readonly asc: number
  /** Data-In delivered. */
  readonly data: Buffer
  /** Data-In asked for and not delivered, or Data-Out sent and not wanted. */
  readonly residual: number
}

const FIXED = [0x70, 0x71]
const DESCRIPTOR = [0x72, 0x73]

/** Key and code of sense data of either format; −1 when it is neither. */
export function decodeSense(bytes: Uint8Array): { key: number; asc: number } {
  const { responseCode } = bytes.length > 0 ? SenseHead(bytes) : { responseCode: 0 }
  if (FIXED.includes(responseCode) && bytes.length >= FixedSense.size) return FixedSense.decode(bytes)
  if (DESCRIPTOR.includes(responseCode) && bytes.length >= DescriptorSense.size) return DescriptorSense.decode(bytes)
  return { key: -1, asc: -1 }
}
const SenseHead = (bytes: Uint8Array): { responseCode: number } => DescriptorSense.view(bytes)

export function answerOf(status: number, senseBytes: Uint8Array, data: Uint8Array, residual: number): ScsiAnswer {
  const relevant = status === sam.CHECK_CONDITION ? senseBytes : senseBytes.subarray(0, 0)
  const { key, asc } = decodeSense(relevant)
  return { status, sense: relevant, key, asc, data: Buffer.from(data), residual }
}

const nameOf = (table: Readonly<Record<string, number>>, value: number): string =>
  Object.entries(table).find(([, v]) => v === value)?.[0].replaceAll('_', ' ') ?? `0x${value.toString(16)}`
const textOf = (asc: number): string => Object.values(sense).find((s) => s.asc === asc)?.text ?? 'code not in our table'
const hex = (asc: number): string => `${(asc >> 8).toString(16).padStart(2, '0')}/${(asc & 0xff).toString(16).padStart(2, '0')}`

/** A status and what belongs to it, for people: `CHECK CONDITION, ILLEGAL REQUEST, 24/00 (invalid field in CDB)`. */
export function describeAnswer(a: Pick<ScsiAnswer, 'status' | 'key' | 'asc'>): string {
  const status = nameOf(sam, a.status)
  if (a.status !== sam.CHECK_CONDITION) return status
  return a.key < 0 ? `${status} without sense data` : `${status}, ${nameOf(senseKey, a.key)}, ${hex(a.asc)} (${textOf(a.asc)})`
}
