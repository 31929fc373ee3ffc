import type { IoFile, Mover } from '@tcmu/host/handler'
import { type Segments, Status, zoneCondition as c, zoneType as t } from '@tcmu/host/scsi'
import fc from 'fast-check'
import { crc32c } from './checksum'
import { Journal, ownRecords } from './journal'
import { decodeHeader, encodeHeader, placesOf, restoreZone, ZoneRecord } from './metadata'
import { headerDefaults } from './image'
import { Zone } from './zone'

const ZONES = 40
const shape = (i: number): ConstructorParameters<typeof Zone>[1] => ({ start: i * 64, length: 64, type: t.SEQUENTIAL_REQUIRED, offset: 0 })
const zones = (): Zone[] => Array.from({ length: ZONES }, (_, i) => new Zone(i, shape(i)))

/** A file in memory that settles writes when told, and can be told to fail; it has no `move`. */
class SlowFile {
  readonly bytes = new Uint8Array(placesOf(ZONES).data)
  readonly waiting: { readonly at: number; readonly data: Uint8Array; go(ok: boolean): void }[] = []
  writev(data: Segments, at: number): Promise<Status> {
    return new Promise((resolve, reject) => {
      const copy = data.toBuffer()
      this.waiting.push({ at, data: copy, go: (ok) => {
        if (ok) this.bytes.set(copy, at)
        if (ok) resolve(Status.OK)
        else reject(new Error('EIO'))
      } })
    })
  }
  step(ok = true): boolean {
    const next = this.waiting.shift()
    next?.go(ok)
    return next !== undefined
  }
  restored(): Zone[] {
    const { table, tableBytes } = placesOf(ZONES)
    return zones().map((zone) => {
      const at = zone.index * ZoneRecord.size
      const records = [0, 1].map((w) => this.bytes.subarray(table(w), table(w) + tableBytes).subarray(at, at + ZoneRecord.size))
      if (!restoreZone(zone, records)) zone.condition = c.READ_ONLY
      return zone
    })
  }
}
/** As the host's files: writes are told of without promises. */
class SlowMovingFile extends SlowFile {
  move(_: boolean, data: Segments, at: number, __: boolean, mover: Mover<undefined>): void {
    const copy = data.toBuffer()
    this.waiting.push({ at, data: copy, go: (ok) => {
      if (ok) this.bytes.set(copy, at)
      mover.moved(undefined, ok ? Status.OK : new Error('EIO'))
    } })
  }
}
const settle = async (): Promise<void> => { for (let i = 0; i < 10; i++) await Promise.resolve() }
const start = async (Kind: typeof SlowFile): Promise<{ file: SlowFile; journal: Journal; live: Zone[] }> => {
  const file = new Kind()
  const live = zones()
  const journal = new Journal(file as unknown as IoFile, ownRecords(ZONES), live)
  const all = journal.recordAll()
  while (file.step()) await settle()
  await all
  return { file, journal, live }
}

describe.each([['with promises', SlowFile], ['with move', SlowMovingFile]])('%s', (_, Kind) => {
  test('what changes together is written together, one write at a time', async () => {
    const { file, journal, live } = await start(Kind)
    const done: number[] = []
    for (const i of [3, 4, 5]) {
      live[i]!.done = live[i]!.wp = live[i]!.start + i
      void journal.record(live[i]!).then(() => done.push(i))
    }
    await settle()
    expect(file.waiting).toHaveLength(1)
    live[6]!.done = live[6]!.wp = live[6]!.start + 6
    void journal.record(live[6]!).then(() => done.push(6))
    await settle()
    expect(file.waiting).toHaveLength(1)
    file.step()
    await settle()
    expect(done).toEqual([3, 4, 5])
    file.step()
    await settle()
    expect(done).toEqual([3, 4, 5, 6])
    expect(file.restored().slice(3, 7).map((z) => z.done - z.start)).toEqual([3, 4, 5, 6])
  })

  test('cut off anywhere, in the middle of a record too, no acknowledged pointer is lost', async () => {
    const step = fc.record({ zone: fc.nat(ZONES - 1), by: fc.integer({ min: 1, max: 5 }), settles: fc.boolean() })
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), fc.nat(400), async (steps, torn) => {
      const { file, journal, live } = await start(Kind)
      const acknowledged = new Map<number, number>()
      for (const s of steps) {
        const zone = live[s.zone]!
        zone.done = zone.wp = Math.min(zone.end, zone.done + s.by)
        const { done } = zone
        void journal.record(zone).then(() => acknowledged.set(s.zone, Math.max(acknowledged.get(s.zone) ?? 0, done)))
        if (s.settles) {
          await settle()
          file.step()
        }
        await settle()
      }
      // What is under way arrives in part.
      for (const w of file.waiting) file.bytes.set(w.data.subarray(0, torn % (w.data.length + 1)), w.at)
      for (const zone of file.restored()) {
        expect(zone.condition).not.toBe(c.READ_ONLY)
        expect(zone.done).toBeGreaterThanOrEqual(acknowledged.get(zone.index) ?? zone.start)
        expect(zone.done).toBeLessThanOrEqual(live[zone.index]!.done)
      }
    }))
  })

  test('zones that are recorded together fail together, and are made up for by the next', async () => {
    const { file, journal, live } = await start(Kind)
    for (const zone of live.slice(1, 4)) zone.done = zone.wp = zone.start + 9
    const all = journal.recordEach(live.slice(1, 4))
    await settle()
    expect(file.waiting).toHaveLength(1)
    file.step(false)
    await expect(all).rejects.toThrow('EIO')
    const again = journal.recordEach(live.slice(0, 1))
    await settle()
    while (file.step()) await settle()
    await again
    expect(file.restored().slice(1, 4).map((z) => z.done - z.start)).toEqual([9, 9, 9])
  })

  test('a failed write is told to who waits for it, and made up for by the next', async () => {
    const { file, journal, live } = await start(Kind)
    live[1]!.done = live[1]!.wp = live[1]!.start + 9
    const first = journal.record(live[1]!)
    await settle()
    file.step(false)
    await expect(first).rejects.toThrow('EIO')
    live[2]!.done = live[2]!.wp = live[2]!.start + 2
    const second = journal.record(live[2]!)
    await settle()
    while (file.step()) await settle()
    await second
    const third = journal.record(live[2]!)
    await settle()
    while (file.step()) await settle()
    await third
    expect(file.restored().slice(1, 3).map((z) => z.done - z.start)).toEqual([9, 2])
  })
})

test('the newer whole header counts; what is none is none', () => {
  const one = encodeHeader({ ...headerDefaults, zones: 8, sequence: 0xffffffff })
  const two = encodeHeader({ ...headerDefaults, zones: 9, sequence: 1 })
  const torn = Uint8Array.from(two)
  torn[100]! ^= 4
  expect(decodeHeader([one, two])).toMatchObject({ zones: 9 })
  expect(decodeHeader([one, torn])).toMatchObject({ zones: 8 })
  expect(decodeHeader([torn, torn])).toBe('damaged')
  expect(decodeHeader([new Uint8Array(512), new Uint8Array(512)])).toBeUndefined()
})

test('any bytes are a header, damaged, or none', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(511), fc.nat(255), (bytes, at, value) => {
    expect(() => decodeHeader([bytes, bytes])).not.toThrow()
    const good = encodeHeader(headerDefaults)
    good[at] = value
    const decoded = decodeHeader([good, good])
    expect(decoded === 'damaged' || decoded === undefined || typeof decoded === 'object').toBe(true)
  }))
})

test('any record is one that can be, or refused', () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.boolean(), (bytes, whole) => {
    if (whole) new DataView(bytes.buffer, bytes.byteOffset).setUint32(28, crc32c(bytes, 0, 28, 7), true)
    const zone = new Zone(7, shape(7))
    if (restoreZone(zone, [bytes])) expect(zone.done >= zone.start && zone.done <= zone.end).toBe(true)
  }))
})

test('CRC-32C of the reference vector', () => {
  expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283)
})
