import { copyFileSync } from 'node:fs'
import fc from 'fast-check'
import { sense, senseKey, zoneAction as a, zoneCondition as c } from '../../../packages/host/src/scsi'
import { cdb, describeAnswer, type ScsiAnswer } from '../../../packages/host/src/testing'
import { MiB, pattern, type Zoned, zonedBench } from './lib'

const bench = zonedBench()
const ZONE = 2048
const ZONES = 8
const CONV = 2
const LIMIT = 2
let n = 0

interface ModelZone { condition: number; wp: number; used: number; data: Buffer }
const code = (key: number, asc: { asc: number }): string => describeAnswer({ status: 2, key, asc: asc.asc })
const illegal = (asc: { asc: number }): string => code(senseKey.ILLEGAL_REQUEST, asc)
const RESOURCES = code(senseKey.DATA_PROTECT, sense.INSUFFICIENT_ZONE_RESOURCES)
const GOOD = 'GOOD'

/** A host managed disk in a few lines: what the standard says, without regard for speed, files or concurrency. */
class Model {
  readonly zones: ModelZone[] = Array.from({ length: ZONES }, (_, i) => ({ condition: i < CONV ? 0 : 1, wp: 0, used: 0, data: Buffer.alloc(MiB) }))
  private clock = 0

  private room(zone: ModelZone): boolean {
    if (zone.condition === c.IMPLICIT_OPEN || zone.condition === c.EXPLICIT_OPEN) return true
    const open = this.zones.filter((z) => z.condition === c.IMPLICIT_OPEN || z.condition === c.EXPLICIT_OPEN)
    if (open.length < LIMIT) return true
    const victim = open.filter((z) => z.condition === c.IMPLICIT_OPEN).sort((x, y) => x.used - y.used)[0]
    if (!victim) return false
    this.close(victim)
    return true
  }
  private close(zone: ModelZone): void {
    zone.condition = zone.wp === 0 ? c.EMPTY : c.CLOSED
  }

  write(lba: number, data: Buffer): string {
    const blocks = data.length / 512
    if (lba + blocks > ZONES * ZONE) return illegal(sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE)
    const first = Math.floor(lba / ZONE)
    const last = Math.floor((lba + blocks - 1) / ZONE)
    if (first < CONV) {
      if (last >= CONV) return illegal(sense.WRITE_BOUNDARY_VIOLATION)
      for (let i = 0; i < blocks; i++) data.copy(this.zones[Math.floor((lba + i) / ZONE)]!.data, ((lba + i) % ZONE) * 512, i * 512, i * 512 + 512)
      return GOOD
    }
    const zone = this.zones[first]!
    if (first !== last) return illegal(sense.WRITE_BOUNDARY_VIOLATION)
    if (zone.condition === c.FULL) return illegal(sense.INVALID_FIELD_IN_CDB)
    if (lba % ZONE !== zone.wp) return illegal(sense.UNALIGNED_WRITE_COMMAND)
    if (!this.room(zone)) return RESOURCES
    if (zone.condition !== c.EXPLICIT_OPEN) zone.condition = c.IMPLICIT_OPEN
    zone.used = ++this.clock
    data.copy(zone.data, zone.wp * 512)
    zone.wp += blocks
    if (zone.wp === ZONE) zone.condition = c.FULL
    return GOOD
  }

  manage(action: number, index: number, all: boolean): string {
    if (all) return this.manageAll(action)
    if (index < CONV) return illegal(sense.INVALID_FIELD_IN_CDB)
    return this.one(action, this.zones[index]!)
  }
  private one(action: number, zone: ModelZone): string {
    const opened = zone.condition === c.IMPLICIT_OPEN || zone.condition === c.EXPLICIT_OPEN
    if (action === a.RESET_WRITE_POINTER) {
      zone.condition = c.EMPTY
      zone.wp = 0
      zone.data.fill(0)
    } else if (zone.condition === c.FULL) return GOOD
    else if (action === a.CLOSE_ZONE) {
      if (opened) this.close(zone)
    } else {
      if (!this.room(zone)) return RESOURCES
      zone.condition = action === a.OPEN_ZONE ? c.EXPLICIT_OPEN : c.FULL
      if (action === a.FINISH_ZONE) zone.wp = ZONE
    }
    return GOOD
  }
  private manageAll(action: number): string {
    const wanted: Readonly<Record<number, readonly number[]>> = { [a.OPEN_ZONE]: [4], [a.CLOSE_ZONE]: [2, 3], [a.FINISH_ZONE]: [2, 3, 4], [a.RESET_WRITE_POINTER]: [2, 3, 4, 14] }
    const zones = this.zones.filter((z) => wanted[action]!.includes(z.condition))
    const explicit = this.zones.filter((z) => z.condition === c.EXPLICIT_OPEN).length
    if (action === a.OPEN_ZONE && explicit + zones.length > LIMIT) return RESOURCES
    for (const zone of zones) {
      if (action === a.FINISH_ZONE) Object.assign(zone, { condition: c.FULL, wp: ZONE })
      else this.one(action, zone)
    }
    return GOOD
  }

  read(lba: number, blocks: number): string | Buffer {
    if (lba + blocks > ZONES * ZONE) return illegal(sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE)
    if (lba < CONV * ZONE && lba + blocks > CONV * ZONE) return illegal(sense.READ_BOUNDARY_VIOLATION)
    return Buffer.concat(this.zones.map((z) => z.data)).subarray(lba * 512, (lba + blocks) * 512)
  }
  restart(): void {
    for (const zone of this.zones) if (zone.condition === c.IMPLICIT_OPEN || zone.condition === c.EXPLICIT_OPEN) this.close(zone)
  }
}

type Step =
  | { readonly kind: 'write'; readonly zone: number; readonly at: number; readonly blocks: number; readonly seed: number; readonly how: number }
  | { readonly kind: 'manage'; readonly action: number; readonly zone: number; readonly all: boolean }
  | { readonly kind: 'read'; readonly lba: number; readonly blocks: number }
  | { readonly kind: 'restart' }
const zone = fc.nat(ZONES - 1)
const blocks = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.constantFrom(700, ZONE, ZONE + 1))
const write = fc.record({ kind: fc.constant('write' as const), zone, at: fc.oneof(fc.constant(-1), fc.constant(-1), fc.constant(-1), fc.nat(ZONE - 1)), blocks, seed: fc.nat(1e6), how: fc.nat(2) })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: write },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('manage' as const), action: fc.constantFrom(a.OPEN_ZONE, a.CLOSE_ZONE, a.FINISH_ZONE, a.RESET_WRITE_POINTER), zone, all: fc.boolean().map((b) => b && true) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), lba: fc.nat(ZONES * ZONE - 1), blocks: fc.integer({ min: 1, max: 3000 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
)

const said = (answer: ScsiAnswer): string => describeAnswer(answer)

test('any sequence of commands does what the model does', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
    const config = `zsize-1/conv-${CONV}/open-${LIMIT}@${bench.path(`model-${n++}`)}`
    const open = (): Promise<Zoned> => bench.open(config, { sizeBytes: ZONES * MiB, pieces: 5000 })
    let d = await open()
    const model = new Model()
    for (const s of steps) {
      if (s.kind === 'write') {
        const z = model.zones[s.zone]!
        const lba = s.zone * ZONE + (s.at < 0 ? Math.min(z.wp, ZONE - 1) : s.at)
        const same = s.how === 0
        const data = same ? Buffer.concat(Array.from({ length: s.blocks }, () => pattern(1, s.seed))) : pattern(s.blocks, s.seed)
        const answer = same ? await d.disk.writeSame({ lba, blocks: s.blocks }, data.subarray(0, 512))
          : s.how === 1 ? await d.disk.write(lba, data) : await d.disk.send(cdb.writeAndVerify10({ lba, blocks: s.blocks, bytchk: 1 }), { dataOut: data })
        expect(said(answer)).toBe(model.write(lba, data))
      } else if (s.kind === 'manage') {
        expect(said(await d.manage(s.action, s.zone * ZONE, { all: s.all ? 1 : 0 }))).toBe(model.manage(s.action, s.zone, s.all))
      } else if (s.kind === 'read') {
        const wanted = model.read(s.lba, s.blocks)
        const answer = await d.disk.read(s)
        if (typeof wanted === 'string') expect(said(answer)).toBe(wanted)
        else expect(answer.data.equals(wanted)).toBe(true)
      } else {
        await d.close()
        d = await open()
        model.restart()
      }
      expect((await d.zones()).map((z) => [z.condition, z.condition === c.NOT_WRITE_POINTER ? 0 : z.writePointer - z.start]))
        .toEqual(model.zones.map((z) => [z.condition, z.wp]))
    }
    await d.close()
  }), { numRuns: 30 })
})

test('a copy of the file at any moment, as after kill -9, has every acknowledged write and nothing that was not sent', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.record({ zone: fc.integer({ min: CONV, max: 3 }), blocks: fc.integer({ min: 1, max: 24 }) }), { minLength: 1, maxLength: 40 }), fc.nat(20),
    async (writes, patience) => {
      const path = bench.path(`crash-${n++}`)
      const d = await bench.open(`zsize-1/conv-${CONV}/open-4@${path}`, { sizeBytes: ZONES * MiB })
      const sent = new Map<number, Buffer[]>()
      const acknowledged = new Map<number, number>()
      const issued = new Map<number, number>()
      for (const w of writes) {
        const at = issued.get(w.zone) ?? 0
        const data = pattern(w.blocks, at + w.zone)
        issued.set(w.zone, at + w.blocks)
        sent.set(w.zone, [...(sent.get(w.zone) ?? []), data])
        void d.disk.write(w.zone * ZONE + at, data).then((answer) => {
          if (answer.status === 0) acknowledged.set(w.zone, Math.max(acknowledged.get(w.zone) ?? 0, at + w.blocks))
        })
      }
      for (let i = 0; i < patience; i++) await new Promise((next) => setImmediate(next))
      const before = new Map(acknowledged)
      copyFileSync(path, `${path}.copy`)
      const copy = await bench.open(`${path}.copy`, { sizeBytes: 0 })
      const zones = await copy.zones()
      for (const [index, data] of sent) {
        const wp = zones[index]!.writePointer - index * ZONE
        expect(wp).toBeGreaterThanOrEqual(before.get(index) ?? 0)
        expect(wp).toBeLessThanOrEqual(issued.get(index)!)
        if (wp > 0) expect((await copy.disk.read({ lba: index * ZONE, blocks: wp })).data.equals(Buffer.concat(data).subarray(0, wp * 512))).toBe(true)
      }
      await copy.close()
      await d.close()
    }), { numRuns: 20 })
})
