import { ProtocolError } from './errors'

/** RFC 7143 6.1: a key has at most 63 bytes, a value 255 unless a key says more (CHAP challenges: 1024 bytes as text). */
const MAX_KEY = 63
const MAX_VALUE = 8192
const MAX_PAIRS = 128
const KEY = /^[A-Z][A-Za-z0-9.\-+@_#]*$|^[XYZ][-#][A-Za-z0-9.\-+@_#]+$/

export type Pair = readonly [key: string, value: string]

/** Decode `key=value\0...`; throws a ProtocolError on anything else. A last pair may lack its NUL. */
export function parseText(bytes: Uint8Array): Pair[] {
  const pairs: Pair[] = []
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  for (const item of text.split('\0')) {
    if (item === '') continue
    const eq = item.indexOf('=')
    const key = eq < 0 ? item : item.slice(0, eq)
    if (eq <= 0 || key.length > MAX_KEY || !KEY.test(key)) throw new ProtocolError(`text has ${JSON.stringify(item.slice(0, 80))} where key=value belongs`)
    const value = item.slice(eq + 1)
    if (value.length > MAX_VALUE) throw new ProtocolError(`the value of ${key} has ${value.length} characters, more than ${MAX_VALUE}`)
    if (pairs.length === MAX_PAIRS) throw new ProtocolError(`text has more than ${MAX_PAIRS} keys`)
    pairs.push([key, value])
  }
  return pairs
}

export const formatText = (pairs: readonly Pair[]): Buffer => Buffer.from(pairs.map(([k, v]) => `${k}=${v}\0`).join(''), 'utf8')

/** Text that comes in several PDUs (C bit), joined, at most `limit` bytes. */
export class TextCollector {
  private parts: Buffer[] = []
  private length = 0

  constructor(private readonly limit: number) {}

  get empty(): boolean {
    return this.parts.length === 0
  }

  add(bytes: Uint8Array): void {
    this.length += bytes.length
    if (this.length > this.limit) throw new ProtocolError(`text of more than ${this.limit} bytes`)
    if (bytes.length) this.parts.push(Buffer.from(bytes))
  }

  /** Everything since the last call. */
  take(): Pair[] {
    const pairs = parseText(Buffer.concat(this.parts))
    this.parts = []
    this.length = 0
    return pairs
  }
}
