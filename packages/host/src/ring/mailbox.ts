import { tcmuError } from '../errors'
import { ENTRY_ALIGN, Mailbox, MAILBOX_VERSION, MailboxFlag } from './abi'

export interface RingFeatures {
  readonly readLength: boolean
  readonly tmr: boolean
  readonly keepBuffer: boolean
}

/** What a mailbox says, checked. */
export interface MailboxFacts {
  /** Bytes from the start of the mapping. */
  readonly cmdrOff: number
  readonly cmdrSize: number
  /** Relative to the command ring. */
  readonly tail: number
  readonly features: RingFeatures
}

/** Throws E_RING_MAILBOX when `bytes` do not hold a ring this host can serve. */
export function readMailbox(bytes: Uint8Array, name: string): MailboxFacts {
  const refuse = (reason: string): Error => tcmuError('E_RING_MAILBOX', { ring: name, reason })
  if (bytes.length < Mailbox.size) throw refuse(`${bytes.length} bytes are less than a mailbox`)
  const { version, flags, cmdrOff, cmdrSize, cmdTail } = Mailbox.decode(bytes)
  if (version !== MAILBOX_VERSION) throw refuse(`mailbox version ${version}, wanted ${MAILBOX_VERSION}`)
  if (!(flags & MailboxFlag.OOOC)) throw refuse('the kernel cannot take completions out of order')
  if (cmdrOff < Mailbox.size || cmdrOff % ENTRY_ALIGN) throw refuse(`command ring at ${cmdrOff}`)
  if (cmdrSize < ENTRY_ALIGN || cmdrSize % ENTRY_ALIGN) throw refuse(`command ring of ${cmdrSize} bytes`)
  if (cmdrOff + cmdrSize > bytes.length) throw refuse(`command ring ends at ${cmdrOff + cmdrSize}, the mapping at ${bytes.length}`)
  if (cmdTail >= cmdrSize || cmdTail % ENTRY_ALIGN) throw refuse(`tail ${cmdTail} in a ring of ${cmdrSize} bytes`)
  const has = (flag: number): boolean => (flags & flag) !== 0
  return {
    cmdrOff, cmdrSize, tail: cmdTail,
    features: Object.freeze({ readLength: has(MailboxFlag.READ_LEN), tmr: has(MailboxFlag.TMR), keepBuffer: has(MailboxFlag.KEEP_BUF) }),
  }
}
