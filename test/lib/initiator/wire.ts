import { connect, type Socket } from 'node:net'
import { Any, BHS, padded } from './pdu'

export interface Pdu {
  readonly opcode: number
  readonly header: Buffer
  readonly data: Buffer
}

/** A TCP connection that hands over whole PDUs. It says nothing of its own: good for misbehaving. */
export class Wire {
  private pending: Buffer[] = []
  private size = 0
  private closing = false
  /** What the target did wrong, if it did. */
  fault: Error | undefined
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>

  private constructor(readonly socket: Socket, private readonly onPdu: (pdu: Pdu) => void) {
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      try {
        this.take(chunk)
      } catch (error) {
        this.fault = error as Error
        socket.destroy()
      }
    })
    this.closed = new Promise((resolve) => {
      socket.on('error', () => undefined).on('close', () => {
        this.closing = true
        resolve()
      })
    })
  }

  static open(port: number, onPdu: (pdu: Pdu) => void, host = '127.0.0.1'): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port })
      socket.once('error', reject).once('connect', () => {
        socket.removeListener('error', reject)
        resolve(new Wire(socket, onPdu))
      })
    })
  }

  get gone(): boolean { return this.closing }

  send(bytes: Uint8Array): void {
    if (!this.closing) this.socket.write(bytes)
  }

  destroy(): void {
    this.socket.destroy()
  }

  private take(chunk: Buffer): void {
    this.pending.push(chunk)
    this.size += chunk.length
    if (this.pending.length > 1 && this.size < this.wanted()) return
    let all = this.pending.length === 1 ? chunk : Buffer.concat(this.pending)
    while (all.length >= BHS) {
      const length = Any.at.dataLength
      const dataLength = all.readUIntBE(length, 3)
      const total = BHS + padded(dataLength)
      if (all.length < total) break
      this.onPdu({ opcode: Any.decode(all).opcode, header: all.subarray(0, BHS), data: all.subarray(BHS, BHS + dataLength) })
      all = all.subarray(total)
    }
    this.pending = all.length ? [all] : []
    this.size = all.length
  }

  /** Bytes of the PDU under way, as far as its header tells. */
  private wanted(): number {
    const head = this.pending[0]!
    return head.length < BHS ? BHS : BHS + padded(head.readUIntBE(Any.at.dataLength, 3))
  }
}
