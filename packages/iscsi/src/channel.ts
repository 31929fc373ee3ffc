import type { Layout } from '@tcmu/host/scsi'
import type { Framing } from './framing'
import type { Parameters } from './negotiation'
import type { Outgoing } from './outgoing'
import { next, type CommandWindow } from './window'
import { put32, ScsiResponse } from './pdu'

type Value = Record<string, number | boolean | Uint8Array | undefined>
const none = new Uint8Array(0)

/** What commands and requests need of the connection they came by: its two directions and its numbers. */
export class Channel {
  statSn = 1
  window: CommandWindow | undefined
  private scheduled = false
  /** Chunks are being taken in; what they lead to is flushed once behind them. */
  private busy = false

  constructor(readonly framing: Framing, readonly outgoing: Outgoing, public parameters: Parameters) {}

  /** Write StatSN into the response at `at`, and count it. */
  statSnAt(b: Uint8Array, at: number): void {
    put32(b, at + ScsiResponse.at.statSn, this.statSn)
    this.statSn = next(this.statSn)
  }

  windowAt(b: Uint8Array, at: number): void {
    const { window } = this
    if (!window) return
    put32(b, at + ScsiResponse.at.expCmdSn, window.expected)
    put32(b, at + ScsiResponse.at.maxCmdSn, window.maximum)
  }

  /** Send a PDU of a cold path. `numbered`: it carries a StatSN of its own; else it shows the next one. */
  send(layout: Layout, value: Value, data: Uint8Array = none, numbered = true): void {
    const { outgoing } = this
    const at = outgoing.begin(data.length)
    const b = outgoing.bytes
    layout.encode({ ...value, dataLength: data.length } as never, b, at)
    if (numbered) this.statSnAt(b, at)
    else put32(b, at + ScsiResponse.at.statSn, this.statSn)
    this.windowAt(b, at)
    b.set(data, at + outgoing.headLength)
    outgoing.end(at, data.length)
    this.flushSoon()
  }

  /** Run what takes in chunks and flush once behind it. */
  batch(work: () => void): void {
    this.busy = true
    try {
      work()
    } finally {
      this.busy = false
      this.outgoing.flush()
    }
  }

  /** Flush when everything that completes now has completed: process.nextTick runs behind the microtasks of promises. */
  flushSoon(): void {
    if (this.busy || this.scheduled) return
    this.scheduled = true
    process.nextTick(this.flushNow)
  }

  private readonly flushNow = (): void => {
    this.scheduled = false
    this.outgoing.flush()
  }
}
