import { setTimeout as sleep } from 'node:timers/promises'

/** An object and the tag that says which version of it this is. */
export interface StoredObject {
  readonly bytes: Buffer
  readonly tag: string
}

/** Somebody else has changed the object since it was read. */
export class ChangedError extends Error {}

/** What the initiator hears of an answer that is final, by the errno that the host knows (docs/sense.md). */
const errnoOf: ReadonlyMap<number, string> = new Map([[401, 'EACCES'], [403, 'EACCES'], [507, 'ENOSPC'], [413, 'ENOSPC']])
const errnoError = (code: string, message: string): Error => Object.assign(new Error(message), { code })

export interface Retry {
  readonly tries: number
  /** Pause after the first try; each further one doubles it. */
  readonly firstMs: number
}

/** Objects by name behind an HTTP server: GET, HEAD, PUT with If-Match and If-None-Match, DELETE. */
export class ObjectStore {
  constructor(private readonly url: string, private readonly retry: Retry = { tries: 6, firstMs: 50 }) {}

  /** Undefined: there is none. */
  async get(name: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    const answer = await this.ask('GET', name, signal)
    if (answer.status === 404) return undefined
    return { bytes: Buffer.from(await answer.arrayBuffer()), tag: answer.headers.get('etag') ?? '' }
  }

  async has(name: string, signal: AbortSignal): Promise<boolean> {
    return (await this.ask('HEAD', name, signal)).ok
  }

  /** Replace the version `tag`, or make it when there is none. Rejects with ChangedError when there is another one by now. */
  async put(name: string, bytes: Uint8Array, tag: string | undefined, signal: AbortSignal): Promise<void> {
    const answer = await this.ask('PUT', name, signal, { body: Buffer.from(bytes), headers: tag === undefined ? { 'if-none-match': '*' } : { 'if-match': tag } })
    if (answer.status === 412) throw new ChangedError(`${name} has changed`)
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    await this.ask('DELETE', name, signal)
  }

  /** What failed for now is tried again, each time after a longer pause; what failed for good is an errno. */
  private async ask(method: string, name: string, signal: AbortSignal, more: RequestInit = {}): Promise<Response> {
    for (let n = 1, pause = this.retry.firstMs; ; n++, pause *= 2) {
      const answer = await fetch(`${this.url}/${name}`, { method, signal, ...more }).catch((e: unknown) => e as Error)
      if (signal.aborted) throw errnoError('ABORT_ERR', `${method} ${name} was aborted`)
      if (answer instanceof Response && (answer.ok || answer.status === 404 || answer.status === 412)) return answer
      const why = answer instanceof Response ? `HTTP ${answer.status}` : answer.message
      const known = answer instanceof Response ? errnoOf.get(answer.status) : undefined
      if (answer instanceof Response) await answer.arrayBuffer()
      if (known !== undefined || n >= this.retry.tries) throw errnoError(known ?? 'EIO', `${method} ${name}: ${why}`)
      await sleep(pause, undefined, { signal })
    }
  }
}
