// The other side of a ring, for benches that measure this side.
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(import.meta.url)
export const DEPTH = 32
export const ENTRIES = 8192
export const BLOCK = 4096

/** `dist`: folder of the built host. */
export function ringBench(dist) {
  const { Mailbox, EntryHeader, CmdRequest, Iovec, cmdBaseSize, cmdEntrySize, Op, MailboxFlag } = require(join(dist, 'ring/index.js'))

  /** A kernel that posts the same command over and over, and never looks at the answers. */
  class Producer {
    constructor(bytes, iovecs = 1) {
      this.cdb = bytes
      this.iovecs = iovecs
      this.length = cmdEntrySize(iovecs, bytes.length)
      this.size = this.length * (ENTRIES + 1)
      this.data = Mailbox.size + this.size
      this.memory = new ArrayBuffer(this.data + DEPTH * BLOCK)
      this.bytes = new Uint8Array(this.memory)
      this.words = new Uint32Array(this.memory)
      Mailbox.encode({ version: 2, flags: MailboxFlag.OOOC | MailboxFlag.READ_LEN, cmdrOff: Mailbox.size, cmdrSize: this.size }, this.bytes)
      this.head = 0
      this.kicks = 0
    }
    onWake(fn) { this.wake = fn }
    kick() { this.kicks++ }
    /** A lap's worth of commands from the head on. */
    fill() {
      for (let n = 0, at = this.head; n < ENTRIES; n++, at = (at + this.length) % this.size) {
        const start = Mailbox.size + at
        CmdRequest.encode({ iovCnt: this.iovecs, cdbOff: start + cmdBaseSize(this.iovecs) }, this.bytes, start)
        EntryHeader.encode({ lenOp: this.length | Op.CMD, cmdId: 1 + (n % DEPTH) }, this.bytes, start)
        Iovec.encode({ base: this.data + (n % DEPTH) * BLOCK, length: BLOCK }, this.bytes, start + CmdRequest.size)
        this.bytes.set(this.cdb, start + cmdBaseSize(this.iovecs))
      }
    }
    post() {
      this.head = (this.head + DEPTH * this.length) % this.size
      Atomics.store(this.words, Mailbox.at.cmdHead >> 2, this.head)
    }
  }

  return { Producer, DEPTH, ENTRIES, BLOCK }
}
