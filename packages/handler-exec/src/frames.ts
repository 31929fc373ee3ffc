import { layout, u16be, u32be, u64be } from '@tcmu/host/scsi'

/** "TCMQ" begins a request, "TCMA" an answer. */
export const REQUEST_MAGIC = 0x54434d51
export const ANSWER_MAGIC = 0x54434d41
export const PROTOCOL_VERSION = 1

/** What the host sends; `payload` bytes follow. */
export const RequestFrame = layout('exec_request', {
  magic: u32be, id: u32be, op: u16be, flags: u16be, payload: u32be, offset: u64be, length: u64be,
}, { size: 32 })

/** What the program sends; `payload` bytes follow. `error` is 0, or an errno of Linux. */
export const AnswerFrame = layout('exec_answer', { magic: u32be, id: u32be, error: u32be, payload: u32be }, { size: 16 })

/** Payload of HELLO; the name of the device follows in UTF-8. */
export const Hello = layout('exec_hello', {
  version: u16be, inflight: u16be, blockSize: u32be, sizeBytes: u64be, maxPayload: u32be,
}, { size: 20 })

/** Payload of the answer to HELLO. */
export const Welcome = layout('exec_welcome', {
  version: u16be, inflight: u16be, abilities: u32be, sizeBytes: u64be, maxPayload: u32be,
}, { size: 20 })

/** One kind of request. */
export interface Op {
  readonly code: number
  readonly name: string
  readonly asks: string
  /** Ability without which it is never sent. */
  readonly needs?: keyof typeof Ability
}

/** Bits of `abilities`. */
export const Ability = { FLUSH: 1, FUA: 2, UNMAP: 4, WRITE_SAME: 8, READ_ONLY: 16, SOLID_STATE: 32, UNMAP_ZEROES: 64, CANCEL: 128 } as const
export const KNOWN_ABILITIES = Object.values(Ability).reduce((all, bit) => all + bit, 0)

export const abilityMeanings: Readonly<Record<keyof typeof Ability, string>> = {
  FLUSH: 'WRITE may be answered before it is on the medium; FLUSH is understood. Without it every answered write is taken to be durable',
  FUA: 'WRITE with the flag FUA is answered when it is on the medium. Without it the host sends FLUSH after such a write',
  UNMAP: 'UNMAP is understood; the device is thinly provisioned',
  WRITE_SAME: 'WRITE SAME is understood. Without it the host writes the blocks',
  READ_ONLY: 'the medium cannot be written; no request that changes it is sent',
  SOLID_STATE: 'the medium does not rotate',
  UNMAP_ZEROES: 'what was unmapped reads as zeroes',
  CANCEL: 'CANCEL is understood',
}

/** Flags of a request. */
export const Flag = { FUA: 1 } as const

const op = (code: number, name: string, asks: string, needs?: Op['needs']): Op => Object.freeze({ code, name, asks, ...(needs && { needs }) })
export const ops = {
  hello: op(0, 'HELLO', 'first, once for each connection; the payload is `exec_hello`, that of the answer `exec_welcome`'),
  read: op(1, 'READ', '`length` bytes from byte `offset`: the payload of the answer'),
  write: op(2, 'WRITE', 'the payload, `length` bytes, goes to byte `offset`'),
  flush: op(3, 'FLUSH', 'everything answered before is on the medium when this is answered', 'FLUSH'),
  unmap: op(4, 'UNMAP', '`length` bytes from byte `offset` are not needed any more', 'UNMAP'),
  writeSame: op(5, 'WRITE SAME', 'the payload, one block, is repeated over `length` bytes from byte `offset`', 'WRITE_SAME'),
  cancel: op(6, 'CANCEL', 'nobody waits for request `id` any more: answer it soon, as done or with ECANCELED. Has no answer of its own', 'CANCEL'),
  close: op(7, 'CLOSE', 'the device closes: what was written goes to the medium. Answered last; then the program ends'),
} as const

/** Longest text of an answer with an error. */
export const MAX_ERROR_TEXT = 1024
/** Longest payload the host sends or takes. */
export const MAX_PAYLOAD = 8 * 2 ** 20
