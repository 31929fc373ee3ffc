import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { ioTable } from '../../packages/host/src/io/table'
import { Coalescing, IO_PENDING, IoOp, type IoTable, loadNative, type NativeIoEngine } from '../../packages/host/src/platform'
import { testIf } from '../lib/requires'
import { backends, temporaryFolder } from './lib'

const native = loadNative()
const folder = temporaryFolder()
/** Errors of the addon come from outside the sandbox that tests run in, so instanceof does not do. */
const typeError = expect.objectContaining({ name: 'TypeError' }) as Error
const ROWS = 8
const AREA = 4096
const GUARD = 4096

const word = fc.oneof(fc.integer(), fc.constantFrom(0, 1, 2, 7, 8, -1, 2 ** 31 - 1, -(2 ** 31)))
/** Aligned ones are what direct I/O takes. */
const number = fc.oneof(fc.nat(4).map((n) => n * 512), fc.double(), fc.integer(), fc.nat(2 * AREA), fc.constantFrom(0, -0, 2 ** 53, -1, Infinity, NaN, AREA, AREA - 1, 0.5, 2 ** 63))
const usual = (value: number, odd: fc.Arbitrary<number>): fc.Arbitrary<number> => fc.oneof({ arbitrary: fc.constant(value), weight: 3 }, { arbitrary: odd, weight: 1 })

/** Transfers and what changes nothing: a random truncate would make files of exabytes. */
const op = fc.oneof({ arbitrary: fc.constantFrom(IoOp.READV, IoOp.WRITEV), weight: 5 }, { arbitrary: fc.constantFrom(IoOp.SYNC, IoOp.SEEK_DATA, IoOp.SEEK_WRITTEN, IoOp.SIZE, IoOp.WRITE_SAME, IoOp.COMPARE_AND_WRITE, 16, -1, 99), weight: 1 })

const row = fc.record({
  op, flags: word, file: usual(0, word), area: usual(0, word), iovFirst: usual(0, word), iovCount: usual(2, word), token: word, turn: word,
  offset: usual(0, number), length: usual(0, number),
})

const ways = backends.flatMap(({ by, lack }) => (['buffered', 'direct'] as const).map((kind) => ({ by, kind, lack })))
describe.each(ways)('by $by, $kind', ({ by, kind, lack }) => testIf(lack, 'arbitrary rows are done or refused; nothing outside the area is read or written', async () => {
  const fd = openSync(join(folder, `file-${by}-${kind}`), 'w+')
  if (kind === 'direct') expect(native.directIo(fd)).toBeGreaterThan(0)
  ftruncateSync(fd, 1 << 20)
  const memory = new Uint8Array(GUARD + AREA + GUARD).fill(0xa5)
  const bytes = memory.subarray(GUARD, GUARD + AREA)
  await fc.assert(fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: ROWS }), fc.array(fc.tuple(number, number), { maxLength: ROWS }), async (rows, iovs) => {
    const table = ioTable(ROWS, ROWS)
    let done = 0
    let ready: () => void = () => undefined
    const engine: NativeIoEngine = new native.IoEngine(table, (n) => { done += n; ready() }, native.memory, Coalescing.NEVER, 2, by === 'uring', 0)
    engine.addFile(fd)
    engine.addArea(bytes)
    rows.forEach((r, i) => Object.entries(r).forEach(([column, value]) => (table[column as keyof IoTable][i] = value)))
    iovs.forEach(([offset, length], i) => { table.iovOffset[i] = offset; table.iovLength[i] = length })
    const pending = engine.submit(rows.length)
    for (let i = 0; i < rows.length; i++) expect(table.result[i] === IO_PENDING || table.result[i]! <= 0).toBe(true)
    while (done < pending) await new Promise<void>((resolve) => (ready = resolve))
    expect(done).toBe(pending)
    expect(engine.inFlight).toBe(0)
    engine.close()
    expect(memory.subarray(0, GUARD).every((b) => b === 0xa5)).toBe(true)
    expect(memory.subarray(GUARD + AREA).every((b) => b === 0xa5)).toBe(true)
  }), { numRuns: 300 })
  closeSync(fd)
}))

describe('arguments', () => {
  const engine = (table: unknown = ioTable(ROWS, ROWS), done: unknown = () => undefined, threads: unknown = 2, uring: unknown = true, refusal: unknown = 0): NativeIoEngine =>
    new native.IoEngine(table as IoTable, done as () => void, native.memory, Coalescing.NEVER, threads as number, uring as boolean, refusal as number)

  test.each([
    ['no table', () => engine(null)],
    ['no function', () => engine(ioTable(1, 1), 5)],
    ['no threads', () => engine(ioTable(1, 1), () => undefined, 0)],
    ['too many threads', () => engine(ioTable(1, 1), () => undefined, 1000)],
    ['half a thread', () => engine(ioTable(1, 1), () => undefined, 1.5)],
    ['neither with nor without io_uring', () => engine(ioTable(1, 1), () => undefined, 2, 'yes')],
    ['no errno', () => engine(ioTable(1, 1), () => undefined, 2, true, -1)],
    ['no such coalescing', () => new native.IoEngine(ioTable(1, 1), () => undefined, native.memory, 3, 2, true, 0)],
    ['an empty table', () => engine(ioTable(0, 0))],
    ['a missing column', () => engine({ ...ioTable(2, 2), token: undefined })],
    ['a short column', () => engine({ ...ioTable(2, 2), offset: new Float64Array(1) })],
    ['a column of another type', () => engine({ ...ioTable(2, 2), op: new Float64Array(2) })],
  ])('%s', (_, make) => {
    expect(make).toThrow(typeError)
  })

  test('methods', () => {
    const e = engine()
    expect(() => e.submit(ROWS + 1)).toThrow(typeError)
    expect(() => e.submit(-1)).toThrow(typeError)
    expect(() => e.addFile(99_999)).toThrow('EBADF')
    expect(() => e.addFile('x' as never)).toThrow(typeError)
    expect(() => e.addArea(new Float64Array(1) as never)).toThrow(typeError)
    expect(() => e.attach({} as IoTable)).toThrow(typeError)
    expect(() => e.removeArea(5)).not.toThrow()
    e.close()
    expect(() => e.addFile(0)).toThrow('EBADF')
    expect(() => e.addArea(new Uint8Array(1))).toThrow('EBADF')
    expect(() => e.removeArea(0)).not.toThrow()
    expect(e.submit(1)).toBe(0)
  })
})

describe('small calls', () => {
  test('locks tell whether they were taken', () => {
    const [a, b] = [openSync(join(folder, 'lock'), 'w+'), openSync(join(folder, 'lock'), 'r+')]
    expect([native.lockFile(a, true), native.lockFile(b, true), native.lockFile(b, false), native.lockFile(a, false), native.lockFile(b, false)])
      .toEqual([true, false, false, true, true])
    expect(() => native.lockFile(99_999, true)).toThrow('EBADF')
    for (const fd of [a, b]) closeSync(fd)
  })

  test('the limit of open files only rises', () => {
    const now = native.raiseFileLimit(0)
    expect(now).toBeGreaterThan(0)
    expect(native.raiseFileLimit(now)).toBe(now)
    expect(native.raiseFileLimit(2 ** 31 - 1)).toBeGreaterThanOrEqual(now)
    expect(() => native.raiseFileLimit(-1)).toThrow(typeError)
  })

  test('shared memory and counters refuse what they cannot be', () => {
    expect(() => native.memfd(-1)).toThrow(typeError)
    closeSync(native.eventfd())
  })
})
