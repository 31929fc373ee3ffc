import { createCipheriv, createDecipheriv } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { type BlockIo, defineFilter, type FilterDevice, Segments, Status } from '@tcmu/host/filter'

interface Options { readonly keyFile: string }
interface State { readonly key: Buffer; readonly algorithm: string; readonly blockSize: number }

/** AES-128-XTS and AES-256-XTS take two keys each (IEEE 1619). */
const algorithms: ReadonlyMap<number, string> = new Map([[32, 'aes-128-xts'], [64, 'aes-256-xts']])
const TWEAK = 16
const OTHERS = 0o077

function readKey(file: string): Buffer {
  if (statSync(file).mode & OTHERS) throw new Error(`${file} can be read by others; chmod 600 ${file}`)
  const text = readFileSync(file)
  const hex = text.toString('latin1').trim()
  const key = /^[0-9a-fA-F]{64}$|^[0-9a-fA-F]{128}$/.test(hex) ? Buffer.from(hex, 'hex') : text
  if (!algorithms.has(key.length)) throw new Error(`${file} holds ${key.length} bytes; a key has 32 or 64, or as many in hexadecimal digits`)
  const half = key.length / 2
  if (key.subarray(0, half).equals(key.subarray(half))) throw new Error(`${file}: the two halves of the key are the same, which XTS forbids`)
  return key
}

/** Each logical block is a data unit of its own; its number is the tweak. */
function crypt({ key, algorithm, blockSize }: State, make: typeof createCipheriv | typeof createDecipheriv, bytes: Buffer, offset: number): Buffer {
  const out = Buffer.allocUnsafe(bytes.length)
  const tweak = Buffer.alloc(TWEAK)
  for (let at = 0; at < bytes.length; at += blockSize) {
    tweak.writeBigUInt64LE(BigInt((offset + at) / blockSize))
    const cipher = make(algorithm, key, tweak)
    out.set(cipher.update(bytes.subarray(at, at + blockSize)), at)
    cipher.final()
  }
  return out
}

async function read(state: State, io: BlockIo, next: { read(io: BlockIo): unknown }): Promise<Status> {
  const status = ((await next.read(io)) ?? Status.OK) as Status
  if (status === Status.OK) io.data.set(crypt(state, createDecipheriv, io.data.toBuffer(), io.offset))
  return status
}

/** AES-XTS (IEEE 1619) with a key from a file: whoever has only the medium reads noise. */
export default defineFilter({
  name: 'encrypt',
  summary: 'the medium holds AES-XTS cipher text',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['keyFile'],
    properties: { keyFile: { type: 'string', pattern: '^/', description: 'File with 32 or 64 bytes of key, as they are or in hexadecimal; mode 600.' } },
  },
  // Where nothing was written there is noise, and what is unmapped would not read as it says.
  without: ['unmap', 'writeSame', 'compareAndWrite', 'extents'],
  declare: (p) => ({ ...p, unmappedReadsZero: false }),
  open: ({ options, blockSize }: FilterDevice<Options>): State => {
    const key = readKey(options.keyFile)
    return { key, algorithm: algorithms.get(key.length)!, blockSize }
  },
  read,
  write: (state, io, next) => {
    const data = Segments.of(crypt(state, createCipheriv, io.data.toBuffer(), io.offset))
    return next.write({ data, offset: io.offset, length: io.length, fua: io.fua, signal: io.signal })
  },
})
