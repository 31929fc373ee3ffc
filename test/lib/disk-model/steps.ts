import fc from 'fast-check'
import { BLOCK, check, type Expected, good, illegal } from './model'
import { controlKinds } from './control-steps'
import { type Kind, kind } from './kind'
import { reservationKinds } from './reservation-steps'

const reading = { conflicts: 'read' } as const
const writing = { conflicts: 'write', writes: true } as const
/** Mostly inside a disk of 64 blocks, sometimes across its end or beyond. */
const lba = fc.oneof({ arbitrary: fc.nat(60), weight: 8 }, { arbitrary: fc.nat(80), weight: 2 }, { arbitrary: fc.constantFrom(2 ** 20, 2 ** 21 - 1), weight: 1 })
const count = fc.oneof({ arbitrary: fc.nat(8), weight: 8 }, { arbitrary: fc.nat(70), weight: 1 })
const seed = fc.nat(255)
const size = fc.constantFrom(6, 10, 12, 16)
const long = fc.constantFrom(10, 12, 16)
const range = { lba, blocks: count }

/** Blocks that differ from each other and from those of other seeds. */
const filled = (blocks: number, n: number): Buffer => Buffer.alloc(blocks * BLOCK).map((_, i) => (n * 7 + i + (i >> 9) * 13) & 0xff) as Buffer

interface Fields { lba: number; blocks: number; flags?: number }
const shapes: Readonly<Record<number, (op: number, f: Fields) => Buffer>> = {
  6: (op, f) => Buffer.from([op, (f.lba >> 16) & 0x1f, f.lba >> 8 & 255, f.lba & 255, f.blocks, 0]),
  10: (op, f) => { const c = Buffer.alloc(10); c[0] = op; c[1] = f.flags ?? 0; c.writeUInt32BE(f.lba, 2); c.writeUInt16BE(f.blocks, 7); return c },
  12: (op, f) => { const c = Buffer.alloc(12); c[0] = op; c[1] = f.flags ?? 0; c.writeUInt32BE(f.lba, 2); c.writeUInt32BE(f.blocks, 6); return c },
  16: (op, f) => { const c = Buffer.alloc(16); c[0] = op; c[1] = f.flags ?? 0; c.writeUInt32BE(f.lba, 6); c.writeUInt32BE(f.blocks, 10); return c },
}
const codes = { read: { 6: 0x08, 10: 0x28, 12: 0xa8, 16: 0x88 }, write: { 6: 0x0a, 10: 0x2a, 12: 0xaa, 16: 0x8a }, verify: { 10: 0x2f, 12: 0xaf, 16: 0x8f }, writeVerify: { 10: 0x2e, 12: 0xae, 16: 0x8e } } as const
const cdb = (table: Readonly<Record<number, number>>, length: number, f: Fields): Buffer => shapes[length]!(table[length]!, f)
/** Six-byte commands have 0 for 256. */
const blocksOf = (p: { size: number; blocks: number }): number => (p.size === 6 && p.blocks === 0 ? 256 : p.blocks)
const PROTECT = 0x20
const FUA = 0x08
const flags = fc.constantFrom(0, 0, 0, 0, FUA, 0x10, PROTECT)
const flagsOf = (p: { size: number; flags: number }): number => (p.size === 6 ? 0 : p.flags)

/** MISCOMPARE at the first byte that differs. */
function compared(expected: Uint8Array, found: Uint8Array): Expected | undefined {
  const at = expected.findIndex((b, i) => b !== found[i])
  return at < 0 ? undefined : check(0xe, 0x1d00, at)
}

const access = {
  read: kind({
    parameters: fc.record({ size, ...range, flags }), use: reading,
    send: (p) => ({ cdb: cdb(codes.read, p.size, { ...p, flags: flagsOf(p) }), in: blocksOf(p) * BLOCK }),
    expect: (p, m) => m.outside(p.lba, blocksOf(p)) ?? (flagsOf(p) & PROTECT ? illegal.field : good(m.read(p.lba, blocksOf(p)))),
  }),
  write: kind({
    parameters: fc.record({ size, ...range, seed, flags }), use: writing,
    send: (p) => ({ cdb: cdb(codes.write, p.size, { ...p, flags: flagsOf(p) }), out: filled(blocksOf(p), p.seed) }),
    expect: (p, m, { out }) => {
      const refused = m.outside(p.lba, blocksOf(p)) ?? (flagsOf(p) & PROTECT ? illegal.field : undefined)
      if (refused) return refused
      m.write(p.lba, out!)
      return good()
    },
  }),
  verify: kind({
    parameters: fc.record({ size: long, ...range, bytchk: fc.constantFrom(0, 1, 1, 2, 3), same: fc.boolean(), seed }), use: reading,
    send(p, m) {
      const inside = m.outside(p.lba, p.blocks) === undefined
      const length = p.bytchk === 1 ? p.blocks : p.bytchk === 3 && p.blocks ? 1 : 0
      const out = p.same && inside ? m.read(p.lba, length) : filled(length, p.seed)
      return { cdb: cdb(codes.verify, p.size, { ...p, flags: p.bytchk << 1 }), ...(length && { out }) }
    },
    expect(p, m, { out }) {
      const refused = m.outside(p.lba, p.blocks) ?? (p.bytchk === 2 ? illegal.field : undefined)
      if (refused || !out) return refused ?? good()
      if (p.bytchk === 1) return compared(out, m.read(p.lba, p.blocks)) ?? good()
      for (let i = 0; i < p.blocks; i++) {
        const differs = compared(out, m.read(p.lba + i, 1))
        if (differs) return differs
      }
      return good()
    },
  }),
  writeVerify: kind({
    parameters: fc.record({ size: long, ...range, bytchk: fc.constantFrom(0, 1), seed }), use: writing,
    send: (p) => ({ cdb: cdb(codes.writeVerify, p.size, { ...p, flags: p.bytchk << 1 }), out: filled(p.blocks, p.seed) }),
    expect(p, m, { out }) {
      const refused = m.outside(p.lba, p.blocks)
      if (!refused) m.write(p.lba, out!)
      return refused ?? good()
    },
  }),
  orWrite: kind({
    parameters: fc.record({ ...range, seed }), use: writing,
    send: (p) => ({ cdb: shapes[16]!(0x8b, p), out: filled(p.blocks, p.seed) }),
    expect(p, m, { out }) {
      const refused = m.outside(p.lba, p.blocks)
      if (!refused) m.write(p.lba, m.read(p.lba, p.blocks).map((b, i) => b | out![i]!))
      return refused ?? good()
    },
  }),
  compareAndWrite: kind({
    parameters: fc.record({ lba, blocks: fc.nat(4), same: fc.boolean(), seed, at: fc.nat(2 * BLOCK) }), use: writing,
    send(p, m) {
      const compare = p.same && !m.outside(p.lba, p.blocks) ? m.read(p.lba, p.blocks) : filled(p.blocks, p.seed)
      const c = shapes[16]!(0x89, { lba: p.lba, blocks: 0 })
      c[13] = p.blocks
      return { cdb: c, ...(p.blocks && { out: Buffer.concat([compare, filled(p.blocks, p.seed + 1)]) }) }
    },
    expect(p, m, { out }) {
      const refused = m.outside(p.lba, p.blocks)
      if (refused || !out) return refused ?? good()
      const half = out.length / 2
      const differs = compared(out.subarray(0, half), m.read(p.lba, p.blocks))
      if (!differs) m.write(p.lba, out.subarray(half))
      return differs ?? good()
    },
  }),
}

const provisioning = {
  writeSame: kind({
    parameters: fc.record({ wide: fc.boolean(), ...range, unmap: fc.boolean(), zero: fc.boolean(), ndob: fc.boolean(), seed }), use: writing,
    send(p) {
      const ndob = p.wide && p.ndob
      const c = shapes[p.wide ? 16 : 10]!(p.wide ? 0x93 : 0x41, { ...p, flags: (p.unmap ? 8 : 0) | (ndob ? 1 : 0) })
      return { cdb: c, ...(!ndob && { out: p.zero ? Buffer.alloc(BLOCK) : filled(1, p.seed) }) }
    },
    expect(p, m, { out }) {
      const refused = m.outside(p.lba, p.blocks) ?? (p.blocks === 0 ? illegal.field : undefined)
      if (refused) return refused
      const block = out ?? Buffer.alloc(BLOCK)
      if (p.unmap && block.every((b) => b === 0)) m.unmap(p.lba, p.blocks)
      else for (let i = 0; i < p.blocks; i++) m.write(p.lba + i, block)
      return good()
    },
  }),
  unmap: kind({
    parameters: fc.record({ ranges: fc.array(fc.record(range), { maxLength: 4 }) }), use: writing,
    send({ ranges }) {
      const list = Buffer.alloc(8 + 16 * ranges.length)
      list.writeUInt16BE(list.length - 2, 0)
      list.writeUInt16BE(16 * ranges.length, 2)
      ranges.forEach((r, i) => {
        list.writeUInt32BE(r.lba, 8 + 16 * i + 4)
        list.writeUInt32BE(r.blocks, 8 + 16 * i + 8)
      })
      const c = Buffer.alloc(10)
      c[0] = 0x42
      c.writeUInt16BE(list.length, 7)
      return { cdb: c, out: list }
    },
    expect({ ranges }, m) {
      const wanted = ranges.filter((r) => r.blocks > 0)
      const outside = wanted.map((r) => m.outside(r.lba, r.blocks)).find((e) => e)
      if (!outside) for (const r of wanted) m.unmap(r.lba, r.blocks)
      return outside ?? good()
    },
  }),
  lbaStatus: kind({
    parameters: fc.record({ lba }), use: reading,
    send(p) {
      const c = Buffer.alloc(16)
      c[0] = 0x9e
      c[1] = 0x12
      c.writeUInt32BE(p.lba, 6)
      c.writeUInt32BE(24, 10)
      return { cdb: c, in: 24 }
    },
    expect(p, m) {
      const refused = m.outside(p.lba, 1)
      if (refused) return refused
      const end = m.mapped.findIndex((x, i) => i > p.lba && x !== m.mapped[p.lba])
      const data = Buffer.alloc(24)
      data.writeUInt32BE(20, 0)
      data.writeUInt32BE(p.lba, 12)
      data.writeUInt32BE((end < 0 ? m.blocks : end) - p.lba, 16)
      data[20] = m.mapped[p.lba] ? 0 : 1
      return good(data)
    },
  }),
}

/** Everything an initiator may do, by name. */
export const kinds: Readonly<Record<string, Kind<any>>> = { ...access, ...provisioning, ...controlKinds, ...reservationKinds } // eslint-disable-line @typescript-eslint/no-explicit-any
