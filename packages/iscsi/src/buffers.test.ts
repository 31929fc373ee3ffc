import fc from 'fast-check'
import { BufferPool, capacityFor, HEADROOM, type PooledBuffer, TAILROOM } from './buffers'
import { BufferShare } from './buffer-share'

const KiB = 1024
const MiB = 1024 * KiB

test.each([[0, 4096], [1, 4096], [4096, 4096], [4097, 8192], [65536, 65536], [2 ** 24, 2 ** 24], [2 ** 24 + 1, 2 ** 25]])('%d bytes lie in %d', (size, capacity) => {
  expect(capacityFor(size)).toBe(capacity)
  const b = new BufferPool(MiB).take(size)!
  expect([b.capacity, b.area.bytes.length, b.area.bytes.buffer === b.bytes.buffer]).toEqual([capacity, HEADROOM + capacity + TAILROOM, true])
})

test('a buffer that came back is given out again, the same memory', () => {
  const pool = new BufferPool(MiB)
  const b = pool.take(5000)!
  pool.give(b)
  expect(pool.take(8000)).toBe(b)
})

test('free buffers of another size make room', () => {
  const pool = new BufferPool(64 * KiB)
  const small = Array.from({ length: 16 }, () => pool.take(4096)!)
  expect(pool.take(1)).toBeUndefined()
  small.forEach((b) => pool.give(b))
  expect(pool.take(64 * KiB)).toBeDefined()
  expect(pool.allocated).toBe(64 * KiB)
})

test('one command is served whatever its size, when nobody else is', () => {
  const pool = new BufferPool(4096)
  const big = pool.take(MiB)!
  expect(pool.take(1)).toBeUndefined()
  pool.give(big)
  expect([pool.allocated, pool.inUse]).toEqual([0, 0])
})

test('who waits is served in order; who does not want any more is passed over', () => {
  const pool = new BufferPool(8 * KiB)
  const first = pool.take(8 * KiB)!
  const log: string[] = []
  const got: PooledBuffer[] = []
  const want = (name: string, size: number, yes = true): void => pool.wait(size, (b) => (log.push(name), yes && got.push(b) > 0))
  want('a', 8 * KiB)
  want('gone', 4 * KiB, false)
  want('b', 4 * KiB)
  expect(pool.take(1)).toBeUndefined()
  pool.give(first)
  expect(log).toEqual(['a'])
  pool.give(got[0]!)
  expect(log).toEqual(['a', 'gone', 'b'])
  expect(pool.inUse).toBe(4 * KiB)
})

test('a session that holds its part waits for itself alone; small commands of others go on when the pool is empty', () => {
  const pool = new BufferPool(8 * MiB)
  const [greedy, other, modest] = [new BufferShare(pool), new BufferShare(pool), new BufferShare(pool)]
  const held = [greedy.take(2 * MiB)!]
  expect(greedy.take(2 * MiB)).toBeUndefined()
  let served = 0
  greedy.wait(2 * MiB, (b) => (held.push(b), ++served > 0))
  const rest = [other.take(2 * MiB)!, pool.take(4 * MiB)!]
  expect(modest.take(2 * MiB)).toBeUndefined()
  expect(modest.take(64 * KiB)).toBeDefined()
  expect(served).toBe(0)
  greedy.give(held.shift()!)
  rest.forEach((b) => pool.give(b))
  expect(served).toBe(1)
})

test('data that comes at once has a place of its own, up to a bound', () => {
  const pool = new BufferPool(MiB)
  const share = new BufferShare(pool)
  let n = 0
  while (share.take(MiB, true)) n++
  expect(n).toBe(16)
})

test('a closed session gets nothing, and nothing is lost', () => {
  const pool = new BufferPool(8 * KiB)
  const all = pool.take(8 * KiB)!
  const share = new BufferShare(pool)
  share.wait(2 * MiB, () => {
    throw new Error('granted after close')
  })
  share.close()
  pool.give(all)
  expect(pool.inUse).toBe(0)
  expect(pool.take(8 * KiB)).toBeDefined()
})

test('whatever is taken, waited for and given back: in use is what is out, allocated is bounded, everybody is served in the end', () => {
  const action = fc.record({ what: fc.constantFrom('take', 'wait', 'give'), size: fc.nat(40000), which: fc.nat(50) })
  fc.assert(fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
    const limit = 128 * KiB
    const pool = new BufferPool(limit)
    const out: PooledBuffer[] = []
    let waiting = 0
    for (const a of actions) {
      if (a.what === 'give' && out.length) pool.give(out.splice(a.which % out.length, 1)[0]!)
      else if (a.what === 'wait') {
        waiting++
        pool.wait(a.size, (b) => (waiting--, out.push(b) > 0))
      } else if (a.what === 'take') {
        const b = pool.take(a.size)
        if (b) out.push(b)
      }
      expect(pool.inUse).toBe(out.reduce((n, b) => n + b.capacity, 0))
      expect(pool.allocated).toBeLessThanOrEqual(limit)
    }
    while (out.length) pool.give(out.pop()!)
    expect([waiting, pool.inUse]).toEqual([0, 0])
  }))
})
