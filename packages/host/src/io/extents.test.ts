import { constants } from 'node:os'
import fc from 'fast-check'
import { IoOp } from '../platform/native'
import { byWritten, extents, type Seek } from './extents'

const { ENXIO, EINVAL, EIO } = constants.errno
const BLOCK = 10

/** lseek over a file whose blocks have data or not. */
const seekIn = (blocks: readonly boolean[]): Seek => async (op, at) => {
  const size = blocks.length * BLOCK
  if (at >= size) return -ENXIO
  for (let i = Math.floor(at / BLOCK); i < blocks.length; i++) {
    if (blocks[i] === (op === IoOp.SEEK_DATA)) return Math.max(at, i * BLOCK)
  }
  return op === IoOp.SEEK_DATA ? -ENXIO : size
}

test('pieces cover the range without gaps, and each byte has the state of its block', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 20 }), fc.nat(220), fc.nat(220), async (blocks, offset, length) => {
    const pieces = await extents(seekIn(blocks), offset, length)
    let at = offset
    for (const p of pieces) {
      expect(p.offset).toBe(at)
      expect(p.length).toBeGreaterThan(0)
      for (let b = at; b < at + p.length; b++) expect(p.state).toBe(blocks[Math.floor(b / BLOCK)] ? 'mapped' : 'deallocated')
      at += p.length
    }
    expect(at).toBe(offset + length)
    pieces.slice(1).forEach((p, i) => expect(p.state).not.toBe(pieces[i]!.state))
  }))
})

test.each([EINVAL, EIO])('where the file system cannot tell (errno %d), all is mapped', async (errno) => {
  expect(await extents(async () => -errno, 5, 100)).toEqual([{ offset: 5, length: 100, state: 'mapped' }])
})

test('a file of nothing but holes ends after a bounded number of pieces', async () => {
  const alternate: Seek = async (op, at) => (Math.floor(at) % 2 === (op === IoOp.SEEK_DATA ? 1 : 0) ? at : at + 1)
  const pieces = await extents(alternate, 0, 2 ** 40)
  expect(pieces.length).toBeLessThan(5000)
  expect(pieces.reduce((n, p) => n + p.length, 0)).toBe(2 ** 40)
})

test('data that vanishes between two questions does not hang', async () => {
  let calls = 0
  const fickle: Seek = async (op, at) => (calls++ < 10 ? at : op === IoOp.SEEK_DATA ? -ENXIO : at)
  expect(await extents(fickle, 0, 50)).toEqual([{ offset: 0, length: 50, state: 'deallocated' }])
})

test('by what was written, the rest is anchored', async () => {
  const asked: number[] = []
  const seek: Seek = async (op, at) => (asked.push(op), op === IoOp.SEEK_WRITTEN ? (at < 30 ? 30 : -ENXIO) : 40)
  expect(await extents(seek, 0, 100, byWritten)).toEqual([
    { offset: 0, length: 30, state: 'anchored' }, { offset: 30, length: 10, state: 'mapped' }, { offset: 40, length: 60, state: 'anchored' },
  ])
  expect(new Set(asked)).toEqual(new Set([IoOp.SEEK_WRITTEN, IoOp.SEEK_UNWRITTEN]))
})
