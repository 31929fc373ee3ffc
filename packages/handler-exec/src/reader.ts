import { ANSWER_MAGIC, AnswerFrame } from './frames'

/** What the bytes of a program mean to the connection. */
export interface AnswerSink {
  /** A header came. Returns what is wrong with it; undefined lets its payload in. */
  begin(id: number, error: number, payload: number): string | undefined
  /** Some of the payload: `at` is where it belongs. */
  chunk(bytes: Uint8Array, at: number): void
  /** All of the answer is here. */
  finish(): void
}

const shown = (bytes: Uint8Array): string => JSON.stringify(Buffer.from(bytes.subarray(0, AnswerFrame.size)).toString('latin1'))

/**
 * Takes answers apart as they come, in pieces of any size. Keeps nothing but an unfinished header: payload goes on at once.
 * After the first fault it takes no more.
 */
export class AnswerReader {
  private readonly header = new Uint8Array(AnswerFrame.size)
  private have = 0
  private payload = 0
  private at = 0
  private inPayload = false
  fault: string | undefined

  constructor(private readonly sink: AnswerSink) {}

  /** Returns the fault, if there is one. */
  push(bytes: Uint8Array): string | undefined {
    let at = 0
    while (this.fault === undefined && at < bytes.length) at += this.inPayload ? this.takePayload(bytes.subarray(at)) : this.takeHeader(bytes.subarray(at))
    return this.fault
  }

  private takeHeader(bytes: Uint8Array): number {
    const n = Math.min(AnswerFrame.size - this.have, bytes.length)
    this.header.set(bytes.subarray(0, n), this.have)
    this.have += n
    if (this.have === AnswerFrame.size) this.startAnswer()
    return n
  }

  private startAnswer(): void {
    const { magic, id, error, payload } = AnswerFrame.decode(this.header)
    this.have = 0
    if (magic !== ANSWER_MAGIC) {
      this.fault = `where an answer should begin there is ${shown(this.header)}; does it print to its standard output?`
      return
    }
    this.fault = this.sink.begin(id, error, payload)
    if (this.fault !== undefined) return
    this.payload = payload
    this.at = 0
    this.inPayload = payload > 0
    if (!this.inPayload) this.sink.finish()
  }

  private takePayload(bytes: Uint8Array): number {
    const n = Math.min(this.payload - this.at, bytes.length)
    this.sink.chunk(bytes.subarray(0, n), this.at)
    this.at += n
    if (this.at === this.payload) {
      this.inPayload = false
      this.sink.finish()
    }
    return n
  }
}
