import { createCipheriv, createDecipheriv } from 'node:crypto'
import { type BlockIo, defineFilter, type FilterDevice, Segments, Status } from '@tcmu/host/filter'
import { algorithms, readKey } from './key-file'

interface Options { readonly keyFile: string }
interface State { readonly key: Buffer; readonly algorithm: string; readonly blockSize: number }

const TWEAK = 16

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
