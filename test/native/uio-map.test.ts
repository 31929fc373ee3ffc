import { closeSync, fstatSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createIoEngine } from '../../packages/host/src/io'
import { loadNative, type NativeUioMap } from '../../packages/host/src/platform'
import { DataArea, Segments } from '../../packages/host/src/wire'
import { testIf } from '../lib/requires'
import { backends, temporaryFolder } from './lib'

const native = loadNative()
const folder = temporaryFolder()
const PAGE = 4096

interface Pair {
  map: NativeUioMap
  /** Our end: the memory again, and the doorbells. */
  peer: NativeUioMap
  mem: number
  wake: number
  kick: number
}

const open: Pair[] = []
function pair(size = PAGE): Pair {
  const mem = native.memfd(size)
  const wake = native.eventfd()
  const kick = native.eventfd()
  // The peer's doorbells are descriptors of its own in real life; here it only shares the memory.
  const peer = new native.UioMap(mem, size, native.eventfd(), native.eventfd(), 8)
  const p = { map: new native.UioMap(mem, size, wake, kick, 8), peer, mem, wake, kick }
  open.push(p)
  return p
}
afterEach(() => {
  for (const p of open.splice(0)) {
    p.map.close()
    p.peer.close()
    closeSync(p.mem)
  }
})

const ring = (fd: number, n = 1n): void => void writeSync(fd, new BigUint64Array([n]))
const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve))
}
const never = (e: Error): void => { throw e }

test('the memory is the same for both sides', () => {
  const { map, peer } = pair(3 * PAGE)
  const mine = new Uint8Array(map.memory)
  const theirs = new Uint8Array(peer.memory)
  expect(mine.length).toBe(3 * PAGE)
  mine[2 * PAGE] = 42
  expect(theirs[2 * PAGE]).toBe(42)
  expect(map.memory).toBe(map.memory)
})

test('one call a wake-up, however many doorbells it stands for', async () => {
  const { map, wake } = pair()
  let calls = 0
  map.start(() => void calls++, never)
  for (let i = 0; i < 100; i++) ring(wake)
  await turns(5)
  expect(calls).toBe(1)
  ring(wake, 7n)
  await turns(5)
  expect(calls).toBe(2)
  await turns(5)
  expect(calls).toBe(2)
})

test('a doorbell before start is not lost', async () => {
  const { map, wake } = pair()
  ring(wake)
  let calls = 0
  map.start(() => void calls++, never)
  await turns(5)
  expect(calls).toBe(1)
})

test('kick counts up on the other side, and a full counter is no error', () => {
  const { map, kick } = pair()
  map.kick()
  map.kick()
  const word = new BigUint64Array(1)
  readSync(kick, word)
  expect(word[0]).toBe(2n)
  ring(kick, 2n ** 64n - 2n)
  expect(() => map.kick()).not.toThrow()
})

test('close detaches the memory, closes the doorbells, ends the calls; twice is fine', async () => {
  const { map, wake, kick, mem } = pair()
  const bytes = new Uint8Array(map.memory)
  const memory = map.memory
  map.start(() => { throw new Error('called after close') }, never)
  ring(wake)
  map.close()
  map.close()
  expect([memory.byteLength, bytes.length, map.memory.byteLength]).toEqual([0, 0, 0])
  expect(() => fstatSync(wake)).toThrow('EBADF')
  expect(() => fstatSync(kick)).toThrow('EBADF')
  expect(fstatSync(mem).size).toBe(PAGE)
  expect(() => map.kick()).toThrow('EBADF')
  expect(() => map.start(() => undefined, never)).toThrow('EBADF')
  await turns(5)
})

test('closing from inside the call is fine', async () => {
  const { map, wake } = pair()
  let calls = 0
  map.start(() => { calls++; map.close() }, never)
  ring(wake)
  await turns(5)
  expect(calls).toBe(1)
})

test('a device that is gone is reported once, and not polled again', async () => {
  const wake = native.eventfd()
  const mem = native.memfd(PAGE)
  // An eventfd gives 8 bytes or EINVAL: a 4 byte read fails for good, as a dead UIO device does.
  const map = new native.UioMap(mem, PAGE, wake, native.eventfd(), 4)
  const errors: NodeJS.ErrnoException[] = []
  map.start(() => { throw new Error('no wake-up is meant') }, (e) => errors.push(e))
  ring(wake)
  await turns(20)
  expect(errors.map((e) => [e.code, e.syscall])).toEqual([['EINVAL', 'read']])
  map.close()
  closeSync(mem)
})

describe('what cannot be mapped', () => {
  const fails = (make: () => unknown, message: RegExp): void => expect(make).toThrow(message)

  test('paths', () => {
    writeFileSync(join(folder, 'file'), Buffer.alloc(PAGE))
    fails(() => new native.UioMap(join(folder, 'none'), PAGE), /^ENOENT: .*open '.*none'/)
    fails(() => new native.UioMap(join(folder, 'file'), PAGE), /file is not a character device/)
    fails(() => new native.UioMap('/dev/zero', PAGE), /^EPERM: .*poll '\/dev\/zero'/)
  })

  test('descriptors of devices: the caller keeps them', () => {
    writeFileSync(join(folder, 'file'), Buffer.alloc(PAGE))
    const [zero, file] = [openSync('/dev/zero', 'r+'), openSync(join(folder, 'file'), 'r+')]
    fails(() => new native.UioMap(9999, PAGE), /EBADF/)
    fails(() => new native.UioMap(-1, PAGE), /uioFd must/)
    fails(() => new native.UioMap(file, PAGE), /is not a character device/)
    fails(() => new native.UioMap(zero, PAGE), /^EPERM: .*poll/)
    for (const fd of [zero, file]) closeSync(fd)
  })

  test.each([0, -1, 0.5, NaN, Infinity, 2 ** 53, '4096', undefined])('size %p', (size) => {
    fails(() => new native.UioMap('/dev/zero', size as number), /size must/)
  })

  test('descriptors: the caller keeps them', () => {
    const mem = native.memfd(PAGE)
    const bell = native.eventfd()
    fails(() => new native.UioMap(mem, 2 * PAGE, bell, bell, 8), /smaller than size/)
    fails(() => new native.UioMap(mem, PAGE, bell, bell, 5 as 4), /wordSize must be 4 or 8/)
    fails(() => new native.UioMap(9999, PAGE, bell, bell, 8), /EBADF/)
    fails(() => new native.UioMap(mem, PAGE, 9999, bell, 8), /EBADF/)
    fails(() => new native.UioMap(mem, PAGE, -1, bell, 8), /wakeFd must/)
    const file = openSync(join(folder, 'unsealed'), 'w+')
    writeSync(file, Buffer.alloc(PAGE))
    fails(() => new native.UioMap(file, PAGE, bell, bell, 8), /not a memfd sealed/)
    // Polling a regular file is refused after the map was made.
    fails(() => new native.UioMap(mem, PAGE, file, bell, 8), /EPERM/)
    for (const fd of [mem, bell, file]) closeSync(fd)
  })

  test('start wants two functions', () => {
    const { map } = pair()
    fails(() => map.start(undefined as never, undefined as never), /two functions/)
  })
})

const ways = backends.flatMap(({ by, lack }) => [false, true].map((direct) => ({ by, lack, direct })))
describe.each(ways)('by $by, direct: $direct', ({ by, lack, direct }) => testIf(lack, 'I/O into the memory ends before close unmaps it; later I/O is refused', async () => {
  const engine = createIoEngine({ engine: by })
  const file = await engine.open(join(folder, `io-${by}-${direct}`), { create: true, size: 2 << 20, direct })
  await file.writev(Segments.of(new Uint8Array(1 << 20).fill(9)), 0)
  const { map, peer } = pair(1 << 20)
  const area = new DataArea(new Uint8Array(map.memory))
  const part = (i: number): Segments => {
    const s = new Segments().start(area)
    s.add(i * 16_384, 16_384)
    return s
  }
  const results = Array.from({ length: 64 }, (_, i) => [file.readv(part(i), i * 16_384), file.writev(part(i), (1 << 20) + i * 16_384)]).flat()
  engine.submit()
  const after = part(0)
  map.close()
  expect(new Uint8Array(peer.memory)[5]).toBe(9)
  await Promise.all(results.map((r) => Promise.resolve(r)))
  await expect(file.readv(after, 0)).rejects.toMatchObject({ code: 'EFAULT' })
  await engine.close()
}))
