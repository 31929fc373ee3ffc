import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { answerOf, type Transport } from '@tcmu/host/testing'

interface Reply { readonly id: number; readonly status: number; readonly sense: string; readonly data: string; readonly resid: number; readonly host: number; readonly error?: string }

/** The other end of sg-agent.py: commands to a disk of a VM through its own SCSI layer. */
export class SgServer {
  private readonly server: Server = createServer((socket) => this.meet(socket))
  private readonly waiting = new Map<number, (reply: Reply) => void>()
  private peer: Socket | undefined
  private ids = 0

  /** Resolves with the port for the agent. */
  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return (this.server.address() as AddressInfo).port
  }

  private meet(socket: Socket): void {
    this.peer = socket
    socket.on('error', () => undefined)
    createInterface({ input: socket }).on('line', (line) => {
      const reply = JSON.parse(line) as Reply
      this.waiting.get(reply.id)?.(reply)
      this.waiting.delete(reply.id)
    })
  }

  readonly send: Transport = (bytes, { dataIn = 0, dataOut = new Uint8Array(0) }) => new Promise((resolve, reject) => {
    if (!this.peer) return reject(new Error('no agent has come'))
    const id = ++this.ids
    this.waiting.set(id, (r) => {
      if (r.error !== undefined || r.host !== 0) reject(new Error(`SG_IO: ${r.error ?? `host status ${r.host}`}`))
      else resolve(answerOf(r.status, Buffer.from(r.sense, 'hex'), Buffer.from(r.data, 'hex'), r.resid))
    })
    const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex')
    this.peer.write(`${JSON.stringify({ id, cdb: hex(bytes), in: dataIn, out: hex(dataOut) })}\n`)
  })

  close(): void {
    this.peer?.destroy()
    this.server.close()
  }
}
