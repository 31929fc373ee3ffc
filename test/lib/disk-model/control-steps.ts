import fc from 'fast-check'
import { type Kind, kind } from './kind'
import { BLOCK, check, type Expected, good, illegal, type Model } from './model'

const plain = (op: number): Buffer => Buffer.from([op, 0, 0, 0, 0, 0])
const MODE_CHANGED = 0x2a01

/** What REQUEST SENSE returns for a condition, in the format asked for. */
function senseData(desc: boolean, { key = 0, asc = 0 }: Partial<Expected>): Buffer {
  const out = Buffer.alloc(desc ? 8 : 18)
  out[0] = desc ? 0x72 : 0x70
  out[desc ? 1 : 2] = key
  out.writeUInt16BE(asc, desc ? 2 : 12)
  if (!desc) out[7] = 10
  return out
}

/** Control mode page with these bits; the rest is what the unit always has. */
const controlPage = (dSense: boolean, swp: boolean, ps = 0): Buffer =>
  Buffer.from([0x0a | ps, 0x0a, 0x02 | (dSense ? 4 : 0), 0x10, swp ? 8 : 0, 0x40, 0, 0, 0xff, 0xff, 0, 60])
const cachingPage = (wce: boolean): Buffer => Buffer.from([0x08, 0x12, wce ? 4 : 0, ...new Array<number>(17).fill(0)])

function select(page: Buffer): { cdb: Buffer; out: Buffer } {
  const out = Buffer.concat([Buffer.alloc(4), page])
  return { cdb: Buffer.from([0x15, 0x10, 0, 0, out.length, 0]), out }
}

/** Change what a page says; others hear of it when it was something else. */
function changed(m: Model, who: number, different: boolean): Expected {
  if (different) m.attendOthers(who, MODE_CHANGED)
  return good()
}

const nothing = fc.constant({})
const ready = {
  testUnitReady: kind({
    parameters: fc.record({ reserved: fc.constantFrom(0, 0, 0, 0, 1) }), use: { conflicts: 'never' },
    send: (p) => ({ cdb: Buffer.from([0, p.reserved, 0, 0, 0, 0]) }),
    malformed: (p) => p.reserved === 1,
    expect: () => good(),
  }),
  requestSense: kind({
    parameters: fc.record({ desc: fc.boolean() }), use: { conflicts: 'never', silent: true, whileStopped: true },
    send: (p) => ({ cdb: Buffer.from([3, p.desc ? 1 : 0, 0, 0, 252, 0]), in: 252 }),
    expect(p, m, _sent, who) {
      const waiting = m.attentions[who]!.shift()
      return good(senseData(p.desc, waiting !== undefined ? check(6, waiting) : m.stopped ? check(2, 0x0402) : {}))
    },
  }),
  stop: kind({
    parameters: nothing, use: { conflicts: 'write', whileStopped: true },
    send: () => ({ cdb: plain(0x1b) }),
    expect(_p, m) {
      m.stopped = true
      return good()
    },
  }),
  start: kind({
    parameters: nothing, use: { conflicts: 'never', whileStopped: true },
    send: () => ({ cdb: Buffer.from([0x1b, 0, 0, 0, 1, 0]) }),
    expect(_p, m) {
      m.stopped = false
      return good()
    },
  }),
  synchronizeCache: kind({
    parameters: fc.record({ lba: fc.nat(80), blocks: fc.nat(8) }), use: { conflicts: 'write' },
    send(p) {
      const c = Buffer.alloc(10)
      c[0] = 0x35
      c.writeUInt32BE(p.lba, 2)
      c.writeUInt16BE(p.blocks, 7)
      return { cdb: c }
    },
    expect: (p, m) => m.outside(p.lba, p.blocks) ?? good(),
  }),
  capacity: kind({
    parameters: nothing, use: { conflicts: 'never' },
    send: () => ({ cdb: Buffer.from([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]), in: 8 }),
    expect(_p, m) {
      const data = Buffer.alloc(8)
      data.writeUInt32BE(m.blocks - 1, 0)
      data.writeUInt32BE(BLOCK, 4)
      return good(data)
    },
  }),
  inquiry: kind({
    parameters: fc.record({ allocation: fc.nat(5) }), use: { conflicts: 'never', silent: true, whileStopped: true },
    send: (p) => ({ cdb: Buffer.from([0x12, 0, 0, 0, p.allocation, 0]), in: p.allocation }),
    expect: (p) => good(Buffer.from([0, 0, 6, 0x12, 91]).subarray(0, p.allocation)),
  }),
  unknown: kind({
    parameters: fc.record({ op: fc.constantFrom(0x02, 0x20, 0x7f, 0xc1, 0xff) }), use: { conflicts: 'write', whileStopped: true },
    send: (p) => ({ cdb: Buffer.from([p.op, ...new Array<number>(9).fill(0)]) }),
    expect: () => illegal.opcode,
  }),
}

const modes = {
  selectControl: kind({
    parameters: fc.record({ dSense: fc.boolean(), swp: fc.constantFrom(false, false, false, true), wrong: fc.constantFrom(false, false, false, true) }),
    use: { conflicts: 'write' },
    send(p) {
      const page = controlPage(p.dSense, p.swp)
      if (p.wrong) page[3] = 0
      return select(page)
    },
    expect(p, m, _sent, who) {
      if (p.wrong) return illegal.list
      const different = m.dSense !== p.dSense || m.swp !== p.swp
      m.dSense = p.dSense
      m.swp = p.swp
      return changed(m, who, different)
    },
  }),
  selectCaching: kind({
    parameters: fc.record({ wce: fc.boolean() }), use: { conflicts: 'write' },
    send: (p) => select(cachingPage(p.wce)),
    expect(p, m, _sent, who) {
      const different = m.wce !== p.wce
      m.wce = p.wce
      return changed(m, who, different)
    },
  }),
  sense: kind({
    parameters: fc.record({ page: fc.constantFrom(0x08, 0x0a, 0x05) }), use: { conflicts: 'read' },
    send: (p) => ({ cdb: Buffer.from([0x1a, 8, p.page, 0, 192, 0]), in: 192 }),
    expect(p, m) {
      if (p.page === 0x05) return illegal.field
      const page = p.page === 0x08 ? cachingPage(m.wce) : controlPage(m.dSense, m.swp)
      return good(Buffer.concat([Buffer.from([3 + page.length, 0, 0x10 | (m.swp ? 0x80 : 0), 0]), page]))
    },
  }),
}

export const controlKinds: Readonly<Record<string, Kind<any>>> = { ...ready, ...modes } // eslint-disable-line @typescript-eslint/no-explicit-any
