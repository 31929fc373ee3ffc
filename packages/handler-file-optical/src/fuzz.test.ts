import fc from 'fast-check'
import { Direction, sam, Segments, statusTable } from '@tcmu/host/scsi'
import { InitiatorTask } from '@tcmu/host/testing'
import { mmcCommands } from './commands'
import { DriveBench, image, nexus } from './testing/bench'

const RUNS = 1500
const BLOCKS = 20
const opcodes = [...new Set(mmcCommands.map((r) => r.op))]

interface Command { readonly op: number; readonly bytes: readonly number[]; readonly length: number; readonly room: number; readonly out: boolean }
const byte = fc.integer({ min: 0, max: 255 })
/** Mostly operation codes that there are, mostly small numbers behind them. */
const command: fc.Arbitrary<Command> = fc.record({
  op: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...opcodes) }, { weight: 1, arbitrary: byte }),
  bytes: fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.integer({ min: 0, max: 24 }) }, { weight: 1, arbitrary: byte }), { minLength: 15, maxLength: 15 }),
  length: fc.constantFrom(6, 10, 12, 16),
  room: fc.oneof(fc.integer({ min: 0, max: 80 }), fc.integer({ min: 0, max: BLOCKS * 2048 })),
  out: fc.boolean(),
})

interface Outcome { readonly status: number; readonly sense: string; readonly data: string; readonly finished: number }

/** Send a command into memory full of `filling`. */
function send(b: DriveBench, c: Command, filling: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const cdb = Uint8Array.from([c.op, ...c.bytes]).subarray(0, c.length)
    const task = new InitiatorTask(b.nexus, cdb, (t) => {
      const data = t.data.toBuffer()
      // Whoever finishes a command twice does so soon.
      setImmediate(() => resolve({
        status: t.status, sense: Buffer.from(t.sense.subarray(0, t.senseLength)).toString('hex'), data: data.subarray(0, t.dataInLength).toString('hex'), finished: t.finished,
      }))
      if (!c.out && data.subarray(t.dataInLength).some((x) => x !== filling) && t.status === sam.GOOD) throw new Error('memory was written that is not announced')
    })
    task.direction = c.room === 0 ? Direction.NONE : c.out ? Direction.OUT : Direction.IN
    task.expected = c.room
    const room = Math.min(c.room, b.device.transferOf(task))
    task.data = Segments.of(new Uint8Array(room).fill(c.out ? 0 : filling))
    b.device.execute(task)
  })
}

async function fresh(): Promise<DriveBench> {
  const b = new DriveBench()
  b.shelf.images.set('/a.iso', image(BLOCKS, 1, 100))
  return b.open('/a.iso')
}

test('any commands in any order end once, with a status of the table, and what they answer never depends on what memory held', async () => {
  const known = new Set(statusTable.map((row) => row.sam))
  await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 12 }), async (commands) => {
    const [a, b] = [await fresh(), await fresh()]
    for (const c of commands) {
      const [one, other] = [await send(a, c, 0xaa), await send(b, c, 0x55)]
      expect(one).toEqual(other)
      expect([one.finished, known.has(one.status as never)]).toEqual([1, true])
      expect(one.sense === '').toBe(one.status !== sam.CHECK_CONDITION)
      // HARDWARE ERROR is what a fault of the program becomes.
      if (one.sense) expect(Number.parseInt(one.sense.slice(4, 6), 16)).not.toBe(4)
    }
    expect([...a.log.lines, ...b.log.lines].filter((l) => l.startsWith('error'))).toEqual([])
    await Promise.all([a.close(), b.close()])
    expect([...a.shelf.opened, ...b.shelf.opened]).toEqual([])
  }), { numRuns: RUNS / 10 })
})

test('any commands of several initiators at once, while the operator changes discs, are all answered', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), command), { minLength: 5, maxLength: 40 }), fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 6 }), async (commands, moves) => {
    const b = await fresh()
    b.shelf.images.set('/b.iso', image(BLOCKS * 2, 2))
    const nexuses = [b.nexus, nexus('second'), nexus('third')]
    for (const n of nexuses) b.device.join(n)
    const changes = [
      { kind: 'config', config: '/b.iso', force: true }, { kind: 'config', config: '/a.iso' }, { kind: 'eject', force: false }, { kind: 'load' }, { kind: 'config', config: '', force: true },
    ] as const
    const moving = moves.map((m) => b.device.reconfigure(changes[m]!).catch((e: { code?: string }) => expect(['E_MEDIUM_LOCKED', 'E_NO_DISC']).toContain(e.code)))
    const answers = await Promise.all(commands.map(([who, c]) => send(Object.assign(Object.create(b) as DriveBench, { nexus: nexuses[who]! }), c, 0xaa)))
    for (const a of answers) expect([a.finished, a.sense === '' || a.sense.slice(4, 6) !== '04']).toEqual([1, true])
    await Promise.all(moving)
    await b.close()
    expect(b.shelf.opened).toEqual([])
  }), { numRuns: RUNS / 10 })
})

/** What each row answers GOOD with never exceeds what the CDB allows for. */
test('no answer is longer than the allocation length', async () => {
  const b = await fresh()
  for (const row of mmcCommands.filter((r) => r.dataDirection === 'in')) {
    for (let room = 0; room < 64; room++) {
      const cdb = new Uint8Array(row.cdb.size)
      cdb[0] = row.op
      const at = (row.cdb.at as Record<string, number>)['allocation']
      if (at === undefined) continue
      const oneByte = [0x03, 0x1a].includes(row.op)
      cdb[oneByte ? at : at + 1] = room
      if (row.op === 0x4a) cdb[1] = 1
      const { data, status } = await send(b, { op: row.op, bytes: [...cdb.subarray(1), ...new Uint8Array(16 - row.cdb.size)], length: row.cdb.size, room: 4096, out: false }, 0xaa)
      if (status === sam.GOOD) expect(data.length / 2).toBeLessThanOrEqual(room)
    }
  }
})
