import { constants } from 'node:os'
import type { Segments } from '@tcmu/host/scsi'
import { MAX_ERROR_TEXT, type Op, REQUEST_MAGIC, RequestFrame } from './frames'

/** What is asked of a program. */
export interface Ask {
  readonly op: Op
  readonly offset?: number
  readonly length?: number
  readonly flags?: number
  /** What goes along. */
  readonly payload?: Uint8Array
  /** Where the payload of a good answer goes, which then has exactly this size. */
  readonly into?: Segments
  readonly signal?: AbortSignal
}

const errnoNames: ReadonlyMap<number, string> = new Map(Object.entries(constants.errno).map(([name, n]) => [n, name] as const).reverse())

/** An error with an errno name, as handlers throw it. */
export const errnoError = (code: string, message: string): Error => Object.assign(new Error(message), { code })

/** One request on its way: from where it waits for its turn to its answer. */
export class Request {
  id = 0
  /** The program was told that nobody waits for it. */
  cancelled = false
  /** It has been under way for too long. */
  expired = false
  private text = Buffer.alloc(0)
  private error = 0
  readonly answered: Promise<void>
  private ok!: () => void
  private failed!: (error: unknown) => void

  constructor(readonly ask: Ask, public dueAt: number) {
    this.answered = new Promise((ok, failed) => {
      this.ok = ok
      this.failed = failed
    })
  }

  /** The frame and what goes along with it. */
  frames(): Uint8Array[] {
    const { op, flags = 0, offset = 0, length = 0, payload } = this.ask
    const head = RequestFrame.encode({ magic: REQUEST_MAGIC, id: this.id, op: op.code, flags, payload: payload?.length ?? 0, offset, length })
    return payload ? [head, payload] : [head]
  }

  /** The header of its answer is here: what is wrong with it. */
  begin(error: number, payload: number): string | undefined {
    const { op, into } = this.ask
    this.error = error
    const most = error ? MAX_ERROR_TEXT : (into?.length ?? 0)
    if (error ? payload > most : payload !== most) {
      return `its answer to ${op.name} has ${payload} bytes of payload, where ${error ? `at most ${most} of text` : most} are to be`
    }
    if (error && !errnoNames.has(error)) return `its answer to ${op.name} has error ${error}, which is no errno`
    return undefined
  }

  chunk(bytes: Uint8Array, at: number): void {
    if (this.error) this.text = Buffer.concat([this.text, bytes])
    else this.ask.into!.set(bytes, at)
  }

  /** The answer is complete. */
  end(): void {
    if (this.error === 0) return this.ok()
    const code = errnoNames.get(this.error)!
    const said = this.text.toString('utf8').trim()
    this.failed(errnoError(code, `${code}: ${said || `its program answered ${this.ask.op.name} so`}`))
  }

  fail(error: unknown): void {
    this.failed(error)
  }
}
