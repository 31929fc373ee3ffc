import { PassThrough } from 'node:stream'
import { constants } from 'node:os'
import { Ability, ANSWER_MAGIC, AnswerFrame, Hello, ops, RequestFrame, Welcome } from '../frames'
import type { Transport } from '../transport'

export interface PeerRequest {
  readonly id: number
  readonly op: number
  readonly flags: number
  readonly offset: number
  readonly length: number
  readonly payload: Buffer
}
type Answering = (request: PeerRequest, peer: Peer) => void

export const welcome = (fields: Partial<Parameters<typeof Welcome.encode>[0]> = {}): Uint8Array =>
  Welcome.encode({ version: 1, inflight: 32, abilities: Ability.FLUSH | Ability.UNMAP | Ability.CANCEL, sizeBytes: 65536, maxPayload: 2 ** 20, ...fields })

/** The program's side of a connection, in this process: behaves as `answering` says. */
export class Peer implements Transport {
  readonly to = new PassThrough()
  readonly from = new PassThrough()
  readonly lastLines: string[] = []
  readonly seen: PeerRequest[] = []
  killed = false
  readonly ended: Promise<string>
  die!: (how: string) => void
  private have = Buffer.alloc(0)

  constructor(private readonly answering: Answering) {
    this.ended = new Promise((resolve) => (this.die = resolve))
    this.to.on('data', (bytes: Buffer) => this.take(bytes))
  }

  private take(bytes: Buffer): void {
    this.have = Buffer.concat([this.have, bytes])
    while (this.have.length >= RequestFrame.size) {
      const { payload, ...head } = RequestFrame.decode(this.have)
      const end = RequestFrame.size + payload
      if (this.have.length < end) return
      const request = { ...head, payload: Buffer.from(this.have.subarray(RequestFrame.size, end)) }
      this.have = this.have.subarray(end)
      this.seen.push(request)
      this.answering(request, this)
    }
  }

  answer(id: number, payload: Uint8Array = new Uint8Array(0), error: keyof typeof constants.errno | 0 = 0): void {
    this.from.write(AnswerFrame.encode({ magic: ANSWER_MAGIC, id, error: error && constants.errno[error], payload: payload.length }))
    if (payload.length) this.from.write(payload)
  }

  kill(): void {
    this.killed = true
    this.die('it was ended by SIGKILL')
  }

  async leave(): Promise<void> {
    this.die('it ended with exit code 0')
  }
}

/** A disk in memory that answers at once, but for the operations that `instead` knows. */
export function disk(memory: Buffer, instead: Partial<Record<keyof typeof ops, Answering>> = {}, terms = welcome()): Answering {
  const usual: Readonly<Record<keyof typeof ops, Answering>> = {
    hello: (r, peer) => void (Hello.decode(r.payload), peer.answer(r.id, terms)),
    read: (r, peer) => peer.answer(r.id, memory.subarray(r.offset, r.offset + r.length)),
    write: (r, peer) => (r.payload.copy(memory, r.offset), peer.answer(r.id)),
    flush: (r, peer) => peer.answer(r.id),
    unmap: (r, peer) => (memory.fill(0, r.offset, r.offset + r.length), peer.answer(r.id)),
    writeSame: (r, peer) => (memory.fill(r.payload, r.offset, r.offset + r.length), peer.answer(r.id)),
    cancel: () => undefined,
    close: (r, peer) => peer.answer(r.id),
  }
  const byCode = new Map((Object.keys(ops) as (keyof typeof ops)[]).map((name) => [ops[name].code, instead[name] ?? usual[name]] as const))
  return (request, peer) => byCode.get(request.op)!(request, peer)
}
