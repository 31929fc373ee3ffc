import type { DataArea, Segments } from '../wire'
import { CmdRequest, CmdResponse, EntryHeader, Iovec, SENSE_SIZE, UserFlag } from './abi'
import { cdbLengthAt, fixedCdbLength } from './cdb-length'
import type { Command } from './command'

const WORD = 4
const HIGH = 2 ** 32
const wordOf = (offset: number): number => offset / WORD
const at = {
  iovCnt: wordOf(CmdRequest.at.iovCnt),
  iovBidiCnt: wordOf(CmdRequest.at.iovBidiCnt),
  cdbOff: wordOf(CmdRequest.at.cdbOff),
  iov: wordOf(CmdRequest.size),
  /** `cmdId`, `kflags` and `uflags` share a word. */
  id: wordOf(EntryHeader.at.cmdId),
  status: wordOf(CmdResponse.at.scsiStatus),
  readLen: wordOf(CmdResponse.at.readLen),
} as const
const IOVEC_WORDS = wordOf(Iovec.size)
const KFLAGS_MASK = 0xff0000
const UFLAGS_SHIFT = 24
/** Bytes of a CDB that say how long it is. */
const LENGTH_BYTES = 8

/** Copies commands out of their entries. Each value is read once: the peer may change it while we look. */
export class EntryReader {
  private readonly bytes: Uint8Array

  /** `words` are those of `area`; its data area begins at byte `dataOff`. */
  constructor(private readonly area: DataArea, private readonly words: Uint32Array, private readonly dataOff: number) {
    this.bytes = area.bytes
  }

  /** Fill in the command from the entry at `word`, `length` bytes long; what is wrong with it, or undefined. */
  fill(command: Command, word: number, length: number): string | undefined {
    const words = this.words
    const count = words[word + at.iovCnt]!
    const bidi = words[word + at.iovBidiCnt]!
    if ((count + bidi) * Iovec.size > length - CmdRequest.size) return `${count} + ${bidi} iovecs in an entry of ${length} bytes`
    const start = word * WORD
    const from = words[word + at.cdbOff]! + words[word + at.cdbOff + 1]! * HIGH
    if (from < start + CmdRequest.size || from >= start + length) return `a CDB at ${from}, outside its entry`
    if (!this.fillCdb(command, from, start + length - from)) return 'a CDB longer than its entry'
    const ranges = word + at.iov
    if (count > 0) {
      if (!this.addRanges(command.segments, ranges, count)) return 'an iovec outside the data area'
      command.data = command.segments
      command.expected = command.segments.length
    }
    if (bidi > 0 || command.bidi.count > 0) {
      if (!this.addRanges(command.bidi, ranges + count * IOVEC_WORDS, bidi)) return 'an iovec outside the data area'
    }
    return undefined
  }

  /** The length comes out of the copy, not out of the ring, where the bytes may be others by then. */
  private fillCdb(command: Command, from: number, room: number): boolean {
    const { bytes } = this
    const { cdb } = command
    cdb[0] = bytes[from]!
    const fixed = fixedCdbLength(cdb[0])
    if (fixed === 0 || fixed > room) return this.fillOddCdb(command, from, room)
    for (let i = 1; i < fixed; i++) cdb[i] = bytes[from + i]!
    command.cdbLength = fixed
    return true
  }

  private fillOddCdb(command: Command, from: number, room: number): boolean {
    const { bytes } = this
    const { cdb } = command
    const first = room < LENGTH_BYTES ? room : LENGTH_BYTES
    for (let i = 1; i < first; i++) cdb[i] = bytes[from + i]!
    const length = cdbLengthAt(cdb, 0, room)
    for (let i = first; i < length; i++) cdb[i] = bytes[from + i]!
    for (let i = length; i < first; i++) cdb[i] = 0
    command.cdbLength = length
    return length > 0
  }

  private addRanges(segments: Segments, word: number, count: number): boolean {
    segments.start(this.area)
    const words = this.words
    const size = this.bytes.length
    for (let i = 0; i < count; i++, word += IOVEC_WORDS) {
      const base = words[word]! + words[word + 1]! * HIGH
      const length = words[word + 2]! + words[word + 3]! * HIGH
      if (base < this.dataOff || length > size - base) return false
      segments.add(base, length)
    }
    return true
  }
}

/** Writes answers into entries, each where its entry starts. */
export class EntryWriter {
  constructor(private readonly bytes: Uint8Array, private readonly words: Uint32Array) {}

  /** `readLength` 0: none is reported. */
  write(start: number, id: number, status: number, readLength: number): void {
    const { words } = this
    const word = start >> 2
    const uflags = readLength === 0 ? 0 : UserFlag.READ_LEN
    words[word + at.id] = (words[word + at.id]! & KFLAGS_MASK) | id | (uflags << UFLAGS_SHIFT)
    words[word + at.status] = status
    words[word + at.readLen] = readLength
  }

  /** All 96 bytes are written: the kernel hands all of them to the initiator. */
  writeSense(start: number, { sense, senseLength }: Command): void {
    const to = start + CmdResponse.at.sense
    for (let i = 0; i < SENSE_SIZE; i++) this.bytes[to + i] = i < senseLength ? sense[i]! : 0
  }
}
