import fc from 'fast-check'
import { blockCommands, CommandTable, CopyJob, DataArea, Direction, type Nexus, sam, Segments, senseKey, statusTable } from '@tcmu/host/scsi'
import { copyListLid1, copyListLid4, copySegment, cscd, InitiatorTask, decodeSense, LogLines, MemoryPortGroups } from '@tcmu/host/testing'
import { BLOCK, disk } from './harness'

/** A small disk, so that random addresses are often inside. */
const BLOCKS = 64
const GUARD = 64
const GUARD_BYTE = 0xa5

const samCodes: ReadonlySet<number> = new Set(Object.values(sam))
const senseCodes = new Set(statusTable.flatMap((r) => (r.sense && r.sense !== 'task' ? [`${r.sense.key} ${r.sense.code.asc}`] : [])))

const byte = fc.oneof({ arbitrary: fc.constant(0), weight: 4 }, { arbitrary: fc.nat(15), weight: 2 }, { arbitrary: fc.nat(255), weight: 1 })
/** Where zero is not enough for a command to get anywhere: bytes of the CDB by position. */
const start: Readonly<Record<string, readonly (readonly [at: number, value: number])[]>> = {
  'MODE SENSE(6)': [[2, 0x3f]], 'MODE SENSE(10)': [[2, 0x3f]], 'MODE SELECT(6)': [[1, 0x10]], 'MODE SELECT(10)': [[1, 0x10]],
  'LOG SENSE': [[2, 0x40]],
  'WRITE SAME(10)': [[8, 1]], 'WRITE SAME(16)': [[13, 1]], 'SANITIZE (OVERWRITE)': [[8, 6]], 'EXTENDED COPY(LID1)': [[13, 76]], 'EXTENDED COPY(LID4)': [[13, 108]],
}
const copied = [[cscd('a1b2-c3d4')], [copySegment({ blocks: 3, destinationLba: 20 })]] as const
/** Data with which a command gets somewhere. */
const lists: Readonly<Record<string, Uint8Array>> = {
  'SANITIZE (OVERWRITE)': Uint8Array.of(1, 0, 0, 2, 5, 6), 'FORMAT UNIT': Uint8Array.of(0, 0x88, 0, 0, 0, 1, 0, 1, 7),
  'EXTENDED COPY(LID1)': copyListLid1(...copied, { listIdUsage: 2 }), 'EXTENDED COPY(LID4)': copyListLid4(...copied, { listIdUsage: 2 }),
}
/** GOOD only while another command is under way. */
const neverGood: ReadonlySet<string> = new Set(['COPY OPERATION ABORT'])
/** A few changes to a CDB that is mostly zero. */
const sparse = fc.array(fc.tuple(fc.nat(15), byte), { maxLength: 4 })
const dense = fc.array(byte, { minLength: 16, maxLength: 16 }).map((bytes) => bytes.map((b, at) => [at, b] as [number, number]))
const command = fc.record({
  row: fc.nat(blockCommands.length - 1),
  changes: fc.oneof({ arbitrary: sparse, weight: 4 }, { arbitrary: dense, weight: 1 }),
  /** CDBs are sometimes cut short, and mostly of the row's length. */
  cut: fc.oneof({ arbitrary: fc.constant(0), weight: 8 }, { arbitrary: fc.nat(15), weight: 1 }),
  /** Data of the length that the CDB asks for, so that more than the check of lengths is reached. */
  fitting: fc.boolean(),
  direction: fc.constantFrom(Direction.NONE, Direction.IN, Direction.OUT, Direction.UNKNOWN),
  length: fc.oneof(fc.constantFrom(0, 8, 24, 255, BLOCK, 2 * BLOCK, 8 * BLOCK), fc.nat(5000)),
  data: fc.array(byte, { minLength: 64, maxLength: 64 }),
})

/** Field pointer with SKSV=1 in fixed or descriptor format sense data. */
function pointsAt(bytes: Uint8Array): boolean {
  if ((bytes[0]! & 0x7f) < 0x72) return (bytes[15]! & 0x80) !== 0
  for (let at = 8; at < bytes.length; at += 2 + bytes[at + 1]!) if (bytes[at] === 2) return (bytes[at + 4]! & 0x80) !== 0
  return false
}

async function device(log: LogLines) {
  const { device } = await disk({
    sizeBytes: BLOCKS * BLOCK, log, strictCdb: false, declare: { sanitize: true, maxAtomicBlocks: 8 },
    handler: { extents: (_s: unknown, r: { offset: number; length: number }) => [{ ...r, state: 'deallocated' }] },
  })
  device.usePortGroups(new MemoryPortGroups())
  return device
}

test('whatever a CDB and its data say, the answer is one of the table, and nothing else is touched', async () => {
  const log = new LogLines()
  const unit = await device(log)
  const nexus: Nexus = { name: 'random' }
  unit.join(nexus)
  const seen = new Set<string>()
  // Results to be asked for: list identifier 0 is what most random CDBs say.
  const old = new CopyJob(0, 0, false, new AbortController().signal)
  unit.copies.begin(nexus, old, true)
  unit.copies.ended()
  old.end('failed', sam.CHECK_CONDITION, new Uint8Array(18))
  await fc.assert(
    fc.asyncProperty(command, async (c) => {
      unit.stopped = false
      unit.modes.swp = false
      // What goes on after its command was answered.
      await unit.operations.stop()
      unit.operations.clear()
      while (unit.inflight > 0) await new Promise((r) => setImmediate(r))
      const row = blockCommands[c.row]
      const bytes = new Uint8Array(row.cdb.size)
      for (const [at, value] of [...(start[row.name] ?? []), ...c.changes]) if (at < bytes.length) bytes[at] = value
      bytes[0] = row.op
      if (row.sa !== undefined) bytes[1] = (bytes[1] & 0xe0) | row.sa
      const wanted = row.transfer?.(row.cdb.view(bytes), unit) ?? 0
      const length = c.fitting && wanted <= BLOCKS * BLOCK ? wanted : c.length
      const area = DataArea.allocate(length + 2 * GUARD)
      area.bytes.fill(GUARD_BYTE)
      const task = await new Promise<InitiatorTask>((resolve) => {
        const t = new InitiatorTask(nexus, bytes.subarray(0, bytes.length - Math.min(c.cut, bytes.length - 1)), resolve)
        t.direction = c.fitting ? Direction.UNKNOWN : c.direction
        t.expected = length
        t.data = new Segments().start(area)
        if (length) t.data.add(GUARD, length)
        const list = lists[row.name]
        t.data.set(Uint8Array.from(list && c.fitting ? list.map((b, i) => (c.data[i % c.data.length] < 200 ? b : 0)) : c.data))
        unit.execute(t)
      })
      seen.add(`${row.name} ${task.status}`)
      expect(task.finished).toBe(1)
      expect(samCodes.has(task.status)).toBe(true)
      expect(task.dataInLength).toBeLessThanOrEqual(length)
      expect(Number.isSafeInteger(task.transferLength) && task.transferLength >= 0).toBe(true)
      const { key, asc } = decodeSense(task.sense.subarray(0, task.senseLength))
      if (task.status === sam.CHECK_CONDITION) expect(senseCodes).toContain(`${key} ${asc}`)
      else expect(task.senseLength).toBe(0)
      // Fixed or descriptor format, an ILLEGAL REQUEST always says which field it means (SPC-4 4.5.2.4.2).
      if (key === senseKey.ILLEGAL_REQUEST) expect([row.name, asc, pointsAt(task.sense.subarray(0, task.senseLength))]).toEqual([row.name, asc, true])
      if (task.status !== sam.GOOD) expect(task.dataInLength).toBe(0)
      const guards = [...area.bytes.subarray(0, GUARD), ...area.bytes.subarray(GUARD + length)]
      expect(guards.every((b) => b === GUARD_BYTE)).toBe(true)
    }),
    { numRuns: 8000 },
  )
  expect(log.lines).toEqual([])
  expect(unit.inflight).toBe(0)
  // The inputs are worth something only if they get through: every command was GOOD at least once.
  for (const row of blockCommands) if (!neverGood.has(row.name)) expect(seen).toContain(`${row.name} 0`)
})

test('every row says how long its data is without failing, whatever the CDB', async () => {
  const unit = await device(new LogLines())
  fc.assert(
    fc.property(fc.nat(blockCommands.length - 1), fc.uint8Array({ minLength: 16, maxLength: 16 }), (i, bytes) => {
      const row = blockCommands[i]
      const moved = row.transfer?.(row.cdb.view(bytes), unit) ?? 0
      const extent = row.extent ? [row.extent.lba(row.cdb.view(bytes)), row.extent.blocks(row.cdb.view(bytes))] : [0, 0]
      return [moved, ...extent].every((n) => Number.isInteger(n) && n >= 0)
    }),
    { numRuns: 5000 },
  )
})

test('no operation code is there twice, and every CDB is as long as its group says', () => {
  expect(new CommandTable(blockCommands).rows.length).toBe(new Set(blockCommands.map((r) => `${r.op} ${r.sa}`)).size)
  // SPC-4 4.2.5.1: bits 7 to 5 of the operation code are the group code.
  const lengths: Record<number, number> = { 0: 6, 1: 10, 2: 10, 4: 16, 5: 12 }
  for (const row of blockCommands) expect([row.name, row.cdb.size]).toEqual([row.name, lengths[row.op >> 5]])
})
