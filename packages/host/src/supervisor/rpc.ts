import { tcmuError } from '../errors'
import { type CallName, type Calls, errorOf, type FromHost, type ToHost } from './messages'
import type { Spawned } from './spawn'

interface Waiting {
  readonly call: CallName
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** Questions to one device host and their answers. */
export class Rpc {
  private readonly waiting = new Map<number, Waiting>()
  private nextId = 0
  private over: Error | undefined

  constructor(private readonly to: Spawned, private readonly name: string, events: (event: Extract<FromHost, { event: string }>) => void) {
    to.channel.listen((message) => {
      if ('event' in message) events(message)
      else this.answer(message)
    })
    void to.ended.then((why) => this.end(why))
  }

  /** The other side has ended. */
  get gone(): boolean {
    return this.over !== undefined
  }

  /** Rejects with what the other side threw, or with E_DEVICE_HOST when it ends or takes longer than `ms`. */
  call<K extends CallName>(call: K, asks: Calls[K]['asks'], ms: number): Promise<Calls[K]['answers']> {
    if (this.over) return Promise.reject(this.over)
    const id = this.nextId++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id)
        reject(tcmuError('E_DEVICE_HOST', { reason: `the process of ${this.name} did not answer "${call}" in ${ms / 1000} s` }))
      }, ms)
      this.waiting.set(id, { call, resolve: resolve as (result: unknown) => void, reject, timer })
      this.to.channel.send({ id, call, with: asks } as ToHost)
    })
  }

  private answer(message: Extract<FromHost, { id: number }>): void {
    const waiting = this.waiting.get(message.id)
    if (!waiting) return
    this.waiting.delete(message.id)
    clearTimeout(waiting.timer)
    if ('error' in message) waiting.reject(errorOf(message.error))
    else waiting.resolve(message.result)
  }

  private end(why: string): void {
    const gone = (during = ''): Error => tcmuError('E_DEVICE_HOST', { reason: `the process of ${this.name} is gone: ${why}${during}` })
    this.over = gone()
    for (const { call, reject, timer } of this.waiting.values()) {
      clearTimeout(timer)
      reject(gone(` during ${call}`))
    }
    this.waiting.clear()
  }
}
