import fc from 'fast-check'
import { unzstd, zstdFrame } from './zstd'

const raw = (content: Buffer, last = true): Buffer => {
  const size = content.length * 8 + (last ? 1 : 0)
  return Buffer.concat([Buffer.from([size & 255, (size >> 8) & 255, size >> 16]), content])
}
/** A frame of raw blocks: single segment, two bytes of content size. */
const frame = (...blocks: Buffer[]): Buffer => {
  const length = blocks.reduce((n, b) => n + b.length, 0)
  return Buffer.concat([Buffer.from('28b52ffd60', 'hex'), Buffer.from([(length - 256) & 255, (length - 256) >> 8]), ...blocks.map((b, i) => raw(b, i === blocks.length - 1))])
}

test('a frame ends where its last block ends, whatever comes behind it', async () => {
  const content = Buffer.alloc(1024, 'xy')
  const packed = frame(content.subarray(0, 600), content.subarray(600))
  const filled = Buffer.concat([packed, Buffer.alloc(300, 0xaa)])
  expect(zstdFrame(filled, 1024).length).toBe(packed.length)
  expect(Buffer.from(await unzstd(filled, 1024)).equals(content)).toBe(true)
})

test('more or less than a cluster is refused', async () => {
  const packed = frame(Buffer.alloc(1024, 1))
  await expect(unzstd(packed, 512)).rejects.toThrow(/holds 1024 bytes/)
  await expect(unzstd(packed, 2048)).rejects.toThrow(/holds 1024 bytes, not 2048/)
})

test('any bytes are a cluster or an error', async () => {
  const start = Buffer.from('28b52ffd', 'hex')
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, begin) => {
    const out = await unzstd(begin ? Buffer.concat([start, bytes]) : bytes, 512).catch((e: unknown) => e)
    return out instanceof Error || (out as Uint8Array).length === 512
  }), { numRuns: 500 })
})
