import { spawn } from 'node:child_process'
import { closeSync, openSync, statfsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { ioTable } from '../../packages/host/src/io/table'
import { Coalescing, IO_PENDING, IoOp, type IoTable, loadNative, type NativeIoEngine } from '../../packages/host/src/platform'
import { describeIf } from '../lib/requires'
import { temporaryFolder } from './lib'

const core = loadNative()
const TMPFS = 0x01021994
const ROWS = 512
const BIG = 64 << 20
/** What JavaScript hears of at a time without coalescing, see io_engine.cpp. */
const MOST_ALONE = 2
const SOON_MS = 60_000

const folder = temporaryFolder()
const lack = statfsSync(folder).type === TMPFS ? 'needs a temporary folder that is not tmpfs, whose files are written to at once' : undefined

/** Completions of threads that wait for each other: real threads, one after another. */
describeIf(lack, 'completions', () => {
  const big = new Uint8Array(BIG)
  let table: IoTable, engine: NativeIoEngine, told: number[][], fd: number
  const ready = { wake: () => undefined as void }

  const open = (coalescing: number): void => {
    table = ioTable(ROWS, ROWS)
    told = []
    const onDone = (rows: number): void => {
      told.push([...table.doneToken.subarray(0, rows)])
      ready.wake()
    }
    engine = new core.IoEngine(table, onDone, core.memory, coalescing, 1, false, 0)
    fd = openSync(join(folder, 'file'), 'w+')
    engine.addFile(fd)
    engine.addArea(big)
  }
  afterEach(() => {
    engine.close()
    closeSync(fd)
  })

  /** `w`: a write that takes a thread for tens of milliseconds; `s`: its size, which is done when it is begun. */
  const begin = (what: string): void => {
    ;[...what].forEach((kind, row) => {
      table.op[row] = kind === 'w' ? IoOp.WRITEV : IoOp.SIZE
      table.token[row] = row
      table.iovCount[row] = kind === 'w' ? 1 : 0
      table.iovLength[0] = BIG
    })
    expect(engine.submit(what.length)).toBe(what.length)
    expect([...table.result.subarray(0, what.length)].every((r) => r === IO_PENDING)).toBe(true)
  }
  const hear = async (all: number): Promise<void> => {
    while (told.flat().length < all) await new Promise<void>((resolve) => (ready.wake = resolve))
    expect(told.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: all }, (_, i) => i))
    expect(engine.inFlight).toBe(0)
  }
  const longest = (): number => Math.max(...told.map((tokens) => tokens.length))

  test.each([['never', Coalescing.NEVER, false], ['always', Coalescing.ALWAYS, true]])('wait for each other: %s', async (_, coalescing, together) => {
    open(coalescing)
    begin(`w${'s'.repeat(ROWS - 1)}`)
    await hear(ROWS)
    expect(longest() > MOST_ALONE).toBe(together)
  })

  test('do not wait for what takes much longer', async () => {
    open(Coalescing.ALWAYS)
    const long = 'wsssss'.length + 8
    begin(`wsssss${'w'.repeat(8)}${'s'.repeat(20)}`)
    await hear(long + 20)
    const callOf = (token: number): number => told.findIndex((tokens) => tokens.includes(token))
    for (const early of [0, 1, 2, 3, 4, 5]) expect(callOf(early)).toBeLessThan(callOf(long - 1))
  })

  test('wait for each other where processors are scarce', async () => {
    const others = Array.from({ length: 3 * availableParallelism() }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }))
    try {
      open(Coalescing.WHERE_SCARCE)
      for (const end = performance.now() + SOON_MS; performance.now() < end && !(told.length > 0 && longest() > MOST_ALONE);) {
        told = []
        // What this thread waits for a processor shows while it has something to do.
        for (const busy = performance.now() + 60; performance.now() < busy;) continue
        begin(`w${'s'.repeat(ROWS - 1)}`)
        await hear(ROWS)
      }
      expect(longest()).toBeGreaterThan(MOST_ALONE)
    } finally {
      for (const other of others) other.kill('SIGKILL')
    }
  })

  test('that wait when the engine is closed are told of to nobody', () => {
    open(Coalescing.ALWAYS)
    begin(`w${'s'.repeat(ROWS - 1)}`)
    engine.close()
    expect([told, engine.inFlight]).toEqual([[], 0])
  })
})
