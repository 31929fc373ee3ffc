import { createServer, type Server, type Socket } from 'node:net'
import { type LogicalUnit, MAX_CDB } from '../scsi'
import { layout, u32le } from '../wire'
import { directly, type Transport } from './initiator'

/** Before the CDB and the Data-Out of a command; lengths in bytes. */
export const CdbRequest = layout('cdb_request', { cdbLength: u32le, outLength: u32le, inLength: u32le }, { size: 12 })
/** Before the sense data and the Data-In of an answer. */
export const CdbAnswer = layout('cdb_answer', { status: u32le, senseLength: u32le, inLength: u32le, residual: u32le }, { size: 16 })

const MAX_DATA = 8 * 2 ** 20

/** Reads one request after another off a connection. */
class Requests {
  private pending = Buffer.alloc(0)

  /** Whole requests in what has come; undefined ends the connection: lengths beyond the limits. */
  take(bytes: Buffer): { cdb: Uint8Array; out: Buffer; room: number }[] | undefined {
    this.pending = Buffer.concat([this.pending, bytes])
    const found: { cdb: Uint8Array; out: Buffer; room: number }[] = []
    while (this.pending.length >= CdbRequest.size) {
      const { cdbLength, outLength, inLength } = CdbRequest.decode(this.pending)
      if (cdbLength < 1 || cdbLength > MAX_CDB || outLength > MAX_DATA || inLength > MAX_DATA) return undefined
      const end = CdbRequest.size + cdbLength + outLength
      if (this.pending.length < end) break
      found.push({ cdb: Uint8Array.from(this.pending.subarray(CdbRequest.size, CdbRequest.size + cdbLength)), out: Buffer.from(this.pending.subarray(CdbRequest.size + cdbLength, end)), room: inLength })
      this.pending = this.pending.subarray(end)
    }
    return found
  }
}

async function answer(send: Transport, socket: Socket, { cdb, out, room }: { cdb: Uint8Array; out: Buffer; room: number }): Promise<void> {
  const a = await send(cdb, out.length > 0 ? { dataOut: out } : room > 0 ? { dataIn: room } : {})
  const head = CdbAnswer.encode({ status: a.status, senseLength: a.sense.length, inLength: a.data.length, residual: Math.max(0, a.residual) })
  if (!socket.destroyed) socket.write(Buffer.concat([head, a.sense, a.data]))
}

/**
 * Serve a unit to programs that send SCSI commands by ioctl(SG_IO), through a library of their own that is loaded before and
 * passes each command on: one connection a process, CdbRequest and CdbAnswer on it, commands answered in order. Resolves when
 * the Unix socket at `path` listens; `close` ends it.
 */
export function serveCdbs(unit: LogicalUnit, path: string): Promise<{ close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    const send = directly(unit, { nexus: { name: `SG_IO ${sockets.size}` } })
    const requests = new Requests()
    let last = Promise.resolve()
    socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket))
    socket.on('data', (bytes) => {
      const all = requests.take(bytes)
      if (!all) socket.destroy()
      else for (const request of all) last = last.then(() => answer(send, socket, request)).catch(() => void socket.destroy())
    })
  })
  const close = (): Promise<void> => new Promise((done) => {
    for (const socket of sockets) socket.destroy()
    server.close(() => done())
  })
  return new Promise((resolve, reject) => void server.once('error', reject).listen(path, () => resolve({ close })))
}
