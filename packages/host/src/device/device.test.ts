import { type BlocksHandler, type DeviceInfo, type HandlerLog } from '../handler/types'
import { type CommandRow, FixedSense, noData, type Nexus, sam, Segments, Status, Task } from '../scsi'
import { openDevice } from './open'
import type { DeviceRuntime } from './device'
import type { DeviceSpec } from './spec'

const nexusA: Nexus = { name: 'a' }
const nexusB: Nexus = { name: 'b' }

class TestTask extends Task {
  done: Promise<this>
  finished = 0
  private resolve!: (t: this) => void
  constructor(readonly nexus: Nexus, cdb: number[], data: Segments = noData) {
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

const lines: string[] = []
const log: HandlerLog = { error: (m) => lines.push(m), warn: (m) => lines.push(m), info: () => {}, debug: () => {} }
const spec: DeviceSpec = { name: 'disk', subtype: 'ram', config: '/x', sizeBytes: 8192, blockSize: 512, serial: 'abc' }
const tur = [0, 0, 0, 0, 0, 0]
const inquiry = [0x12, 0, 0, 0, 36, 0]
const read10 = (lba: number, blocks: number): number[] => [0x28, 0, 0, 0, 0, lba, 0, 0, blocks, 0]
const write10 = (lba: number, blocks: number): number[] => [0x2a, 0, 0, 0, 0, lba, 0, 0, blocks, 0]

function ram(more: Partial<BlocksHandler<Uint8Array>> = {}): BlocksHandler<Uint8Array> {
  return {
    subtype: 'ram',
    open: (dev: DeviceInfo) => new Uint8Array(dev.sizeBytes),
    read: (s, io) => void io.data.set(s.subarray(io.offset, io.offset + io.length)),
    write: (s, io) => void io.data.copyTo(s.subarray(io.offset, io.offset + io.length)),
    ...more,
  }
}
async function device(handler: BlocksHandler<any>, more: Partial<DeviceSpec> = {}, rows?: CommandRow[]): Promise<DeviceRuntime> { // eslint-disable-line @typescript-eslint/no-explicit-any
  const d = await openDevice({ ...spec, ...more }, { handler, io: {} as never, log, ...(rows && { rows }) })
  d.join(nexusA)
  d.join(nexusB)
  return d
}
async function run(d: DeviceRuntime, cdb: number[], data?: Segments, nexus = nexusA): Promise<TestTask> {
  const t = new TestTask(nexus, cdb, data)
  d.execute(t)
  await t.done
  expect(t.finished).toBe(1)
  return t
}
const asc = (t: Task): number => FixedSense.decode(t.sense).asc

beforeEach(() => lines.splice(0))

test('reads back what it wrote, synchronously and by promise', async () => {
  for (const handler of [ram(), ram({ read: async (s, io) => void io.data.set(s.subarray(io.offset, io.offset + io.length)) })]) {
    const d = await device(handler)
    const data = Buffer.alloc(1024, 7)
    expect((await run(d, write10(3, 2), Segments.of(data))).status).toBe(sam.GOOD)
    const t = await run(d, read10(3, 2), Segments.allocate(1024))
    expect([t.status, t.dataInLength, t.data.toBuffer().equals(data)]).toEqual([sam.GOOD, 1024, true])
    expect(d.counters).toMatchObject({ commands: 2, reads: 1, writes: 1, readBytes: 1024, writtenBytes: 1024, errors: 0 })
  }
})

test.each([
  ['beyond the last block', read10(15, 2), 0x2100],
  ['no such operation code', [0xff, 0, 0, 0, 0, 0], 0x2000],
  ['no such service action', [0x9e, 0x1f, ...new Array<number>(14).fill(0)], 0x2400],
  ['NACA', [0, 0, 0, 0, 0, 4], 0x2400],
  ['a CDB too short', [0x28, 0, 0], 0x2400],
])('%s is an illegal request', async (_what, cdb, code) => {
  const t = await run(await device(ram()), cdb, Segments.allocate(1024))
  expect([t.status, FixedSense.decode(t.sense).key, asc(t), t.dataInLength]).toEqual([sam.CHECK_CONDITION, 5, code, 0])
})

test.each([
  ['a thrown errno', () => { throw Object.assign(new Error('no'), { code: 'EIO' }) }, 0x1100],
  ['a rejected errno', () => Promise.reject(Object.assign(new Error('no'), { code: 'EIO' })), 0x1100],
  ['a bug', () => { throw new TypeError('x is not a function') }, 0x4400],
  ['no status', () => 'fine' as never, 0x4400],
  ['an unknown status', () => 999 as never, 0x4400],
  ['a promise of no status', () => Promise.resolve({} as never), 0x4400],
])('%s becomes sense data and one log line', async (_what, read, code) => {
  const d = await device(ram({ read }))
  for (let i = 0; i < 5; i++) expect(asc(await run(d, read10(0, 1), Segments.allocate(512)))).toBe(code)
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatch(/^disk: .*READ/)
  expect((await run(d, tur)).status).toBe(sam.GOOD)
})

test('handleCmd is asked first and passes on what it does not handle', async () => {
  const seen: number[] = []
  const d = await device(ram({ handleCmd: (_s, t) => (seen.push(t.cdb[0]!), t.cdb[0] === 0xc1 ? Status.OK : Status.NOT_HANDLED) }))
  expect((await run(d, [0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0])).status).toBe(sam.GOOD)
  expect((await run(d, tur)).status).toBe(sam.GOOD)
  expect(seen).toEqual([0xc1, 0])
})

test('a commands handler that does not handle a command means invalid operation code', async () => {
  const d = await device({ subtype: 'ram', open: () => 1, handleCmd: (_s: number, t: Task) => (t.cdb[0] === 0 ? Status.OK : Status.NOT_HANDLED) } as never)
  expect((await run(d, tur)).status).toBe(sam.GOOD)
  expect(asc(await run(d, inquiry))).toBe(0x2000)
})

test('a unit attention is told once to each nexus, never to INQUIRY', async () => {
  const d = await device(ram())
  d.attention(Status.CAPACITY_CHANGED, undefined)
  d.attention(Status.CAPACITY_CHANGED)
  expect((await run(d, inquiry, Segments.allocate(36))).status).toBe(sam.GOOD)
  for (const nexus of [nexusA, nexusB]) {
    expect(asc(await run(d, tur, undefined, nexus))).toBe(0x2a09)
    expect((await run(d, tur, undefined, nexus)).status).toBe(sam.GOOD)
  }
  d.attention(Status.MODE_CHANGED, nexusA)
  expect((await run(d, tur, undefined, nexusA)).status).toBe(sam.GOOD)
  expect(asc(await run(d, tur, undefined, nexusB))).toBe(0x2a01)
})

test('a read-only device refuses writes only', async () => {
  const d = await device(ram(), { readOnly: true })
  expect(asc(await run(d, write10(0, 1), Segments.allocate(512)))).toBe(0x2700)
  expect((await run(d, read10(0, 1), Segments.allocate(512))).status).toBe(sam.GOOD)
})

test('COMPARE AND WRITE is atomic against plain writes', async () => {
  const gates: (() => void)[] = []
  const slow = ram({ read: async (s, io) => {
    await new Promise<void>((r) => gates.push(r))
    io.data.set(s.subarray(io.offset, io.offset + io.length))
  } })
  const d = await device(slow)
  const caw = new TestTask(nexusA, [0x89, 0, ...new Array<number>(11).fill(0), 1, 0, 0], Segments.of(Buffer.concat([Buffer.alloc(512), Buffer.alloc(512, 1)])))
  d.execute(caw)
  const write = new TestTask(nexusB, write10(0, 1), Segments.of(Buffer.alloc(512, 2)))
  d.execute(write)
  const elsewhere = await run(d, write10(5, 1), Segments.of(Buffer.alloc(512, 3)), nexusB)
  expect([elsewhere.status, write.finished]).toEqual([sam.GOOD, 0])
  gates.shift()!()
  expect((await caw.done).status).toBe(sam.GOOD)
  expect((await write.done).status).toBe(sam.GOOD)
})

test('a front end adds commands, a say before the owner, and its port', async () => {
  const d = await device(ram())
  const port = { designators: [] }
  d.extend({
    name: 'front', port: (nexus) => (nexus === nexusA ? port : {}), answer: (t) => (t.nexus === nexusB ? Status.RESERVATION_CONFLICT : undefined),
    rows: [{ op: 0xa0, name: 'REPORT LUNS', cdb: d.commands.find(Uint8Array.of(0x28))!.cdb, access: 'none', dataDirection: 'in', run: () => Status.OK }],
  })
  expect((await run(d, [0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0])).status).toBe(sam.GOOD)
  expect((await run(d, tur, undefined, nexusB)).status).toBe(sam.RESERVATION_CONFLICT)
  expect([d.port(nexusA), d.port(nexusB)]).toEqual([port, {}])
})

test('abort tells the handler, waits for it, and the task ends once as aborted', async () => {
  const d = await device(ram({ read: (_s, io) => new Promise((_r, reject) => io.signal.addEventListener('abort', () => reject(new Error('stopped')))) }))
  const [mine, other] = [new TestTask(nexusA, read10(0, 1), Segments.allocate(512)), new TestTask(nexusB, read10(1, 1), Segments.allocate(512))]
  for (const t of [mine, other]) d.execute(t)
  expect(await d.abort((t) => t.nexus === nexusA)).toBe(1)
  expect([mine.finished, mine.status, other.finished]).toEqual([1, sam.TASK_ABORTED, 0])
  await d.abort(() => true)
  expect(d.inflight).toBe(0)
})

test('a command is not finished while I/O still touches its data', async () => {
  let io: Segments | undefined
  const d = await device(ram({ read: (_s, r) => { (io = r.data).pinned.pins++ } }))
  const t = new TestTask(nexusA, read10(0, 1), Segments.allocate(512))
  d.execute(t)
  await new Promise((r) => setTimeout(r, 20))
  expect(t.finished).toBe(0)
  io!.pinned.pins--
  expect((await t.done).status).toBe(sam.GOOD)
  expect(lines.join()).toMatch(/settled a command before its I\/O was done/)
})

test('close waits for live commands, aborts them after the deadline, closes the handler once and refuses what comes', async () => {
  let closed = 0
  const d = await device(ram({ close: () => void closed++, read: (_s, io) => new Promise((_r, no) => io.signal.addEventListener('abort', () => no(new Error()))) }))
  const t = new TestTask(nexusA, read10(0, 1), Segments.allocate(512))
  d.execute(t)
  const closing = d.close(20)
  expect(asc(await run(d, tur))).toBe(0x0400)
  await closing
  await d.close(0)
  expect([closed, t.status, d.state]).toEqual([1, sam.TASK_ABORTED, 'closed'])
})

test('a resize tells every initiator', async () => {
  const d = await device(ram({ reconfigure: () => Status.OK }))
  expect(await d.reconfigure({ kind: 'size', sizeBytes: 16384 })).toBe(Status.OK)
  expect(d.blocks).toBe(32)
  expect(asc(await run(d, tur))).toBe(0x2a09)
  expect((await run(d, read10(31, 1), Segments.allocate(512))).status).toBe(sam.GOOD)
})

test('what a device lacks it does not say it has', async () => {
  const handler = ram({ unmap: () => Status.OK, open: (dev: DeviceInfo) => (dev.declare({ lacking: ['unmap'] }), new Uint8Array(dev.sizeBytes)) })
  expect((await device(ram({ unmap: () => Status.OK }))).abilities.unmap).toBe('native')
  const d = await device(handler)
  expect(d.abilities.unmap).toBe('none')
  expect(asc(await run(d, [0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0], Segments.allocate(24)))).toBe(0x2000)
})

test('without write cache every write is followed by a flush', async () => {
  let flushes = 0
  const d = await device(ram({ flush: () => void flushes++ }))
  expect(d.writeCache).toBe(true)
  await run(d, write10(0, 1), Segments.allocate(512))
  expect(flushes).toBe(0)
  expect(await d.setWriteCache(false)).toBe(Status.OK)
  expect([flushes, d.writeCache]).toEqual([1, false])
  await run(d, write10(0, 1), Segments.allocate(512))
  expect(flushes).toBe(2)
})

test.each([
  [{ sizeBytes: 100 }, /E_DEVICE_GEOMETRY: device disk .*size 100/],
  [{ sizeBytes: 700 }, /not a multiple of the block size 512/],
  [{ blockSize: 513 }, /block size 513 is not a power of two/],
  [{ sizeBytes: 2 ** 60 }, /2\^53/],
])('refuses %j and leaves nothing open', async (bad, message) => {
  let open = 0
  await expect(device(ram({ open: () => (open++, new Uint8Array()), close: () => void open-- }), bad)).rejects.toThrow(message)
  expect(open).toBe(0)
})

test('refuses what checkConfig refuses, before open', async () => {
  const opened = jest.fn()
  await expect(device(ram({ checkConfig: () => 'the path must be absolute', open: opened }))).rejects.toThrow('E_CONFIG_REFUSED: device disk: ram//x: the path must be absolute')
  expect(opened).not.toHaveBeenCalled()
})
