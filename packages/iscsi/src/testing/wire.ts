import { connect, type Socket } from 'node:net'
import { crc32c, digestAt, putDigest } from '../digest'
import { BasicHeader, BHS, DIGEST, padding, put24 } from '../pdu'

/** A PDU as it came: header with additional headers, and data without padding. */
export interface Pdu {
  readonly header: Buffer
  readonly data: Buffer
  readonly opcode: number
}

/** Header and data as they go over the wire, with DataSegmentLength filled in. */
export function wirePdu(header: Uint8Array, data: Uint8Array = Buffer.alloc(0), digests = { header: false, data: false }): Buffer {
  const head = Buffer.alloc(header.length + (digests.header ? DIGEST : 0))
  head.set(header)
  put24(head, BasicHeader.at.dataLength, data.length)
  if (digests.header) putDigest(head, header.length, crc32c(0, head, 0, header.length))
  if (data.length === 0) return head
  const pad = padding(data.length)
  const body = Buffer.alloc(data.length + pad + (digests.data ? DIGEST : 0))
  body.set(data)
  if (digests.data) putDigest(body, data.length + pad, crc32c(0, body, 0, data.length + pad))
  return Buffer.concat([head, body])
}

/** The initiator's end of a TCP connection: PDUs out, PDUs in, in the order in which they came. */
export class Wire {
  readonly digests = { header: false, data: false }
  readonly closed: Promise<void>
  private rest = Buffer.alloc(0)
  private readonly arrived: Pdu[] = []
  private waiting: (() => void)[] = []
  private over = false

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => this.take(chunk))
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => socket.once('close', () => {
      this.over = true
      this.wake()
      resolve()
    }))
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new Wire(socket)
  }

  send(header: Uint8Array, data?: Uint8Array): void {
    this.socket.write(wirePdu(header, data, this.digests))
  }

  /** The next PDU; rejects when the connection ends before it, or after 5 s. */
  async next(): Promise<Pdu> {
    const deadline = Date.now() + 5000
    while (this.arrived.length === 0) {
      if (this.over) throw new Error('the connection was closed')
      if (Date.now() > deadline) throw new Error('no PDU came for 5 s')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100)
        this.waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    return this.arrived.shift()!
  }

  /** PDUs that are there and not yet taken. */
  get pending(): number {
    return this.arrived.length
  }

  private wake(): void {
    for (const go of this.waiting.splice(0)) go()
  }

  private take(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk])
    while (this.one()) this.wake()
  }

  private one(): boolean {
    if (this.rest.length < BHS) return false
    const h = BasicHeader.decode(this.rest)
    const head = BHS + h.ahsLength * 4
    const start = head + (this.digests.header ? DIGEST : 0)
    const padded = start + h.dataLength + padding(h.dataLength)
    const end = padded + (this.digests.data && h.dataLength > 0 ? DIGEST : 0)
    if (this.rest.length < end) return false
    const b = this.rest
    if (this.digests.header && crc32c(0, b, 0, head) !== digestAt(b, head)) throw new Error('wrong header digest')
    if (end > padded && crc32c(0, b, start, padded) !== digestAt(b, padded)) throw new Error('wrong data digest')
    this.arrived.push({ header: Buffer.from(b.subarray(0, head)), data: Buffer.from(b.subarray(start, start + h.dataLength)), opcode: h.opcode })
    this.rest = b.subarray(end)
    return true
  }
}
