import { ops, REQUEST_MAGIC, RequestFrame } from './frames'
import { AnswerReader, type AnswerSink } from './reader'
import { type Ask, errnoError, Request } from './request'
import type { Transport } from './transport'

export interface ConnectionLimits {
  readonly deadlineMs: number
  /** Requests that the program has at a time; the others wait in order. */
  inflight: number
  /** The program understands CANCEL. */
  cancels: boolean
}

/** After its deadline, or when nobody wants it any more, the program has this long to answer before it is ended. */
const GRACE_MS = 5000
const MAX_ID = 2 ** 32

/** Thrown for requests that the program never got. */
export class NotSentError extends Error {}

/**
 * Requests and answers over one transport: several under way, answers in any order. Breaks when the program breaks the
 * protocol, leaves a request unanswered for too long, or ends.
 */
export class Connection implements AnswerSink {
  private readonly waiting = new Set<Request>()
  private readonly underWay = new Map<number, Request>()
  private readonly reader = new AnswerReader(this)
  private answering: Request | undefined
  private nextId = 1
  private timer: NodeJS.Timeout | undefined
  private why: string | undefined
  /** Resolves to what ended it. */
  readonly ended: Promise<string>

  constructor(private readonly transport: Transport, private readonly limits: ConnectionLimits) {
    const { from, to } = transport
    from.on('data', (bytes: Uint8Array) => {
      const fault = this.take(bytes)
      if (fault !== undefined) this.break(fault)
    })
    to.on('drain', () => this.pump())
    this.ended = transport.ended.then((how) => {
      this.why ??= how
      this.drop()
      return this.why
    })
  }

  get lastLines(): readonly string[] {
    return this.transport.lastLines
  }

  /** Rejects with an error whose `code` is an errno name, or NotSentError. */
  request(ask: Ask): Promise<void> {
    const request = new Request(ask, performance.now() + this.limits.deadlineMs)
    if (this.why !== undefined) return Promise.reject(new NotSentError(this.why))
    this.waiting.add(request)
    const cancel = (): void => this.cancel(request)
    ask.signal?.addEventListener('abort', cancel, { once: true })
    this.pump()
    this.watch()
    return request.answered.finally(() => ask.signal?.removeEventListener('abort', cancel))
  }

  /** Memory of a command that the host has given up on is not to be written any more, and says so. */
  private take(bytes: Uint8Array): string | undefined {
    try {
      return this.reader.push(bytes)
    } catch (e) {
      return `what it answers cannot be taken: ${(e as Error).message}`
    }
  }

  private pump(): void {
    const { to } = this.transport
    for (const request of this.waiting) {
      if (this.underWay.size >= this.limits.inflight || to.writableNeedDrain || this.why !== undefined) return
      this.waiting.delete(request)
      request.id = this.freeId()
      this.underWay.set(request.id, request)
      for (const frame of request.frames()) to.write(frame)
    }
  }

  private freeId(): number {
    while (this.underWay.has(this.nextId)) this.nextId = (this.nextId + 1) % MAX_ID
    const id = this.nextId
    this.nextId = (id + 1) % MAX_ID
    return id
  }

  /** One that waits is gone at once. The program is asked about one it has: it may be writing, which has to end before anybody is told. */
  private cancel(request: Request): void {
    if (this.waiting.delete(request)) return request.fail(errnoError('ABORT_ERR', 'aborted'))
    if (!this.limits.cancels) return
    request.expired = true
    request.dueAt = Math.min(request.dueAt, performance.now() + GRACE_MS)
    this.tellCancelled(request)
    this.rewatch()
  }

  private tellCancelled(request: Request): void {
    if (request.cancelled || !this.limits.cancels || this.why !== undefined) return
    request.cancelled = true
    this.transport.to.write(RequestFrame.encode({ magic: REQUEST_MAGIC, id: request.id, op: ops.cancel.code }))
  }

  begin(id: number, error: number, payload: number): string | undefined {
    this.answering = this.underWay.get(id)
    return this.answering ? this.answering.begin(error, payload) : `it answers request ${id}, which it was not asked or has answered before`
  }

  chunk(bytes: Uint8Array, at: number): void {
    this.answering!.chunk(bytes, at)
  }

  finish(): void {
    const request = this.answering!
    this.answering = undefined
    this.underWay.delete(request.id)
    request.end()
    this.pump()
  }

  private watch(): void {
    if (this.timer || this.why !== undefined) return
    const due = Math.min(...[...this.underWay.values(), ...this.waiting].map((r) => r.dueAt))
    if (due < Infinity) this.timer = setTimeout(() => this.sweep(), Math.max(1, due - performance.now()))
  }

  private rewatch(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.watch()
  }

  /** Requests whose time is over: those that wait are BUSY, those under way get their grace, and after it the program is ended. */
  private sweep(): void {
    this.timer = undefined
    const now = performance.now()
    for (const request of [...this.waiting].filter((r) => r.dueAt <= now)) {
      this.waiting.delete(request)
      request.fail(errnoError('EBUSY', 'its program has too much to do'))
    }
    for (const request of [...this.underWay.values()].filter((r) => r.dueAt <= now)) {
      if (request.expired) return this.break(`it did not answer ${request.ask.op.name} in time`)
      request.expired = true
      request.dueAt = now + Math.min(GRACE_MS, this.limits.deadlineMs)
      this.tellCancelled(request)
    }
    this.watch()
  }

  /** End the program: nothing of what it has may be done later, when others were told otherwise. */
  private break(why: string): void {
    this.why ??= why
    this.transport.kill()
  }

  private drop(): void {
    clearTimeout(this.timer)
    const lost = [...this.underWay.values()]
    const unsent = [...this.waiting]
    this.underWay.clear()
    this.waiting.clear()
    for (const request of lost) request.fail(request.expired ? errnoError('EBUSY', `${this.why}`) : errnoError('EIO', `its program is gone: ${this.why}`))
    for (const request of unsent) request.fail(new NotSentError(this.why))
  }

  /** End it without asking; resolves when it has ended. */
  async end(why: string): Promise<void> {
    this.break(why)
    await this.ended
  }

  /** Ask the program to end, and see to it. */
  async close(): Promise<void> {
    if (this.why !== undefined) return
    await this.request({ op: ops.close }).catch(() => undefined)
    this.why ??= 'the device was closed'
    await this.transport.leave()
  }
}
