import type { BlocksHandler, DeviceInfo } from '../handler/types'
import { FixedSense, type Nexus, noData, sam, Segments, Status, Task } from '../scsi'
import { LogLines } from '../testing/harness'
import { Complaints } from './complaints'
import type { DeviceRuntime } from './device'
import { openDevice } from './open'

const nexus: Nexus = { name: 'a' }
class TestTask extends Task {
  readonly nexus = nexus
  done: Promise<this>
  finished = 0
  private resolve!: (t: this) => void
  constructor(cdb: number[], data: Segments = noData) {
    super()
    this.cdb.set(cdb)
    this.cdbLength = cdb.length
    this.data = data
    this.expected = data.length
    this.done = new Promise((r) => (this.resolve = r))
  }
  finish(): void {
    this.finished++
    this.resolve(this)
  }
}
const read10 = [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]
const write10 = (lba: number): number[] => [0x2a, 0, 0, 0, 0, lba, 0, 0, 1, 0]
const tur = [0, 0, 0, 0, 0, 0]
const turns = (ms = 10): Promise<void> => new Promise((r) => setTimeout(r, ms))

async function device(more: Partial<BlocksHandler<Uint8Array>>): Promise<DeviceRuntime> {
  const handler: BlocksHandler<Uint8Array> = {
    subtype: 'ram',
    open: (dev: DeviceInfo) => new Uint8Array(dev.sizeBytes),
    read: (s, io) => void io.data.set(s.subarray(io.offset, io.offset + io.length)),
    write: (s, io) => void io.data.copyTo(s.subarray(io.offset, io.offset + io.length)),
    ...more,
  }
  const d = await openDevice(
    { name: 'disk', subtype: 'ram', config: '/x', sizeBytes: 8192, blockSize: 512, serial: 'abc' }, { handler, io: {} as never, log: new LogLines() },
  )
  d.join(nexus)
  return d
}
function start(d: DeviceRuntime, cdb: number[], data?: Segments): TestTask {
  const t = new TestTask(cdb, data)
  d.execute(t)
  return t
}
const within = <T>(p: Promise<T>, ms = 500): Promise<T | 'never'> => Promise.race([p, turns(ms).then(() => 'never' as const)])

/* eslint-disable @typescript-eslint/only-throw-error, @typescript-eslint/prefer-promise-reject-errors */
const nameless: unknown = Object.create(null)
const hostile: unknown = new Proxy({}, { get: () => { throw new Error('no') } })
const both = (a: unknown, b: unknown): unknown => ({ then: (yes: (v: unknown) => void, no: (e: unknown) => void) => void (yes(a), no(b), yes(a)) })

describe('whatever a handler gives back, its command ends once', () => {
  test.each<[string, () => unknown]>([
    ['a thrown object without a name', () => { throw nameless }],
    ['a rejected object without a name', () => Promise.reject(nameless)],
    ['a thrown object that cannot be looked at', () => { throw hostile }],
    ['a rejected object that cannot be looked at', () => Promise.reject(hostile)],
    ['nothing at all', () => null],
    ['a promise of its own making that never heard of chaining', () => both(Status.RD_ERR, new Error('x'))],
    ['a promise that cannot be looked at', () => hostile],
    ['a symbol', () => Promise.resolve(Symbol('x'))],
    ['a thrown symbol', () => { throw Symbol('x') }],
  ])('%s', async (_what, answer) => {
    for (const d of [await device({ read: answer as never }), await device({ handleCmd: ((_s: unknown, t: Task) => (t.cdb[0] === 0x28 ? answer() : Status.NOT_HANDLED)) as never })]) {
      const t = start(d, read10, Segments.allocate(512))
      expect(await within(t.done)).toBe(t)
      await turns()
      expect([t.finished, t.status, d.inflight]).toEqual([1, sam.CHECK_CONDITION, 0])
      expect((await start(d, tur).done).status).toBe(sam.GOOD)
    }
  })

  test('who listens to completions and throws loses nobody a command', async () => {
    const d = await device({})
    d.hooks.completed.tap('bad', () => { throw new Error('bad tap') })
    const t = start(d, tur)
    expect([t.finished, d.inflight]).toEqual([1, 0])
  })
})

test('any number of aborts of one command', async () => {
  let end: (() => void) | undefined
  const d = await device({ read: () => new Promise<void>((r) => (end = r)) })
  const t = start(d, read10, Segments.allocate(512))
  const aborts = Array.from({ length: 50_000 }, () => d.abort((x) => x === t))
  end!()
  await Promise.all(aborts)
  expect([t.finished, t.status]).toEqual([1, sam.TASK_ABORTED])
})

test('filters see reads and writes, tapped before the first command', async () => {
  const d = await device({})
  const seen: string[] = []
  d.hooks.ops.write.tap('filter', (io) => (seen.push(`write ${io.offset}`), undefined))
  d.hooks.ops.read.tap('filter', () => Status.RD_ERR)
  expect((await start(d, write10(1), Segments.allocate(512)).done).status).toBe(sam.GOOD)
  const t = await start(d, read10, Segments.allocate(512)).done
  expect([seen, t.status, FixedSense.decode(t.sense).asc]).toEqual([['write 512'], sam.CHECK_CONDITION, 0x1100])
})

describe('WCE=0', () => {
  /** A medium with a cache: what `flush` finds there is durable. */
  async function cached(): Promise<{ d: DeviceRuntime; gates: { write: (() => void)[]; flush: (() => void)[] }; durable: Set<number> }> {
    const gates = { write: [] as (() => void)[], flush: [] as (() => void)[] }
    const cache = new Set<number>()
    const durable = new Set<number>()
    const gate = (kind: 'write' | 'flush'): Promise<void> => new Promise<void>((r) => gates[kind].push(r))
    const d = await device({
      write: async (_s, io) => {
        await gate('write')
        cache.add(io.offset / 512)
      },
      flush: async () => {
        const now = [...cache]
        await gate('flush')
        for (const lba of now) durable.add(lba)
      },
    })
    return { d, gates, durable }
  }
  const letGo = async (list: (() => void)[]): Promise<void> => {
    await turns()
    for (const go of list.splice(0)) go()
    await turns()
  }

  test('a write that was under way when the cache was turned off, and one that came while it was, are durable when they are answered', async () => {
    const { d, gates, durable } = await cached()
    const before = start(d, write10(1), Segments.allocate(512))
    await turns()
    const off = d.setWriteCache(false)
    await turns()
    const during = start(d, write10(2), Segments.allocate(512))
    let done = false
    void off.then(() => (done = true))
    for (let n = 0; n < 8; n++) {
      await letGo(gates.write)
      if (done && before.finished) expect(durable.has(1)).toBe(true)
      await letGo(gates.flush)
      if (done && before.finished) expect(durable.has(1)).toBe(true)
      if (done && during.finished) expect(durable.has(2)).toBe(true)
    }
    expect([await off, before.status, during.status, d.writeCache]).toEqual([Status.OK, sam.GOOD, sam.GOOD, false])
    expect([...durable].sort()).toEqual([1, 2])
  })

  test('when what is cached cannot be written the cache stays on', async () => {
    let broken = true
    const d = await device({ flush: () => { if (broken) throw Object.assign(new Error('no'), { code: 'EIO' }) } })
    await expect(d.setWriteCache(false)).rejects.toThrow('no')
    broken = false
    expect([d.writeCache, await d.setWriteCache(false), d.writeCache]).toEqual([true, Status.OK, false])
  })
})

test('complaints of ever new kinds are as few as those of one', () => {
  const log = new LogLines()
  let now = 0
  const complaints = new Complaints(log, () => now)
  for (let n = 0; n < 10_000; n++) complaints.error(`kind ${n}`, 'it failed')
  expect(log.lines.length).toBeLessThanOrEqual(65)
  now = 60_000
  complaints.error('kind 9999', 'it failed again')
  expect(log.lines.at(-1)).toBe('error: it failed again')
})

test('commands that the host makes out of reads take turns for their memory', async () => {
  const gates: (() => void)[] = []
  const d = await device({ read: () => new Promise<void>((r) => gates.push(r)) })
  const verify = [0x2f, 0, 0, 0, 0, 0, 0, 0, 1, 0]
  const tasks = Array.from({ length: 40 }, () => start(d, verify))
  await turns()
  expect(gates).toHaveLength(16)
  const aborted = d.abort((t) => t === tasks[39])
  while (gates.length > 0) {
    gates.shift()!()
    await turns(0)
  }
  expect(await aborted).toBe(1)
  expect((await Promise.all(tasks.map((t) => t.done))).map((t) => t.status)).toEqual([...Array<number>(39).fill(sam.GOOD), sam.TASK_ABORTED])
})
