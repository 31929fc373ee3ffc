import fc from 'fast-check'
import { DataArea, Segments, SegmentsRevokedError } from '.'

/** The same data twice: scattered over an area in pieces of the given sizes, and flat. */
function scattered(sizes: number[]): { segments: Segments; flat: Uint8Array } {
  const total = sizes.reduce((a, b) => a + b, 0)
  const area = DataArea.allocate(total * 2 + sizes.length + 1)
  const segments = new Segments().start(area)
  let at = area.bytes.length
  for (const size of sizes) segments.add((at -= size + 1), size)
  const flat = Uint8Array.from({ length: total }, (_, i) => (i * 7 + 1) & 0xff)
  segments.set(flat)
  return { segments, flat }
}

const sizes = fc.array(fc.nat(9), { minLength: 0, maxLength: 8 })

test('behaves like one piece, whatever the split', () => {
  fc.assert(
    fc.property(sizes, fc.nat(40), fc.nat(40), (split, a, b) => {
      const { segments, flat } = scattered(split)
      expect(segments.length).toBe(flat.length)
      expect(Uint8Array.from(segments.toBuffer())).toEqual(flat)
      const from = Math.min(a, flat.length)
      const length = Math.min(b, flat.length - from)
      const slice = segments.slice(from, length)
      expect(Uint8Array.from(slice.toBuffer())).toEqual(flat.slice(from, from + length))
      expect(slice.compare(slice.toBuffer())).toBe(-1)
      segments.zero(from, length)
      flat.fill(0, from, from + length)
      expect(segments.compare(flat)).toBe(-1)
      if (length && from + length <= flat.length) {
        slice.set(Uint8Array.of(9), length - 1)
        expect(segments.compare(flat)).toBe(from + length - 1)
      }
    }),
  )
})

test('set and copyTo stop at the shorter end', () => {
  const { segments } = scattered([3, 2])
  expect(segments.set(new Uint8Array(9), 4)).toBe(1)
  expect(segments.set(new Uint8Array(9), 6)).toBe(0)
  expect(segments.copyTo(new Uint8Array(4), 1)).toBe(3)
  expect(segments.copyTo(new Uint8Array(9), 0, 3)).toBe(2)
})

test('ranges outside the area are refused', () => {
  const s = new Segments().start(DataArea.allocate(8))
  expect(() => s.add(4, 5)).toThrow('range 4+5 is outside a data area of 8 bytes')
  expect(() => s.add(-1, 1)).toThrow(RangeError)
  expect(() => s.add(Number.NaN, 1)).toThrow(RangeError)
  expect(() => Segments.allocate(4).slice(2, 3)).toThrow('slice 2+3 of 4 bytes')
})

test('a revoked piece of data throws on every use, its slices too', () => {
  const s = Segments.allocate(8)
  const slice = s.slice(2, 4)
  s.revoke()
  for (const use of [() => s.set(new Uint8Array(1)), () => s.toBuffer(), () => slice.zero(), () => slice.copyTo(new Uint8Array(1)), () => s.compare(new Uint8Array(1))]) {
    expect(use).toThrow(SegmentsRevokedError)
  }
  expect(s.revoked && slice.revoked).toBe(true)
})

test('a successor has the memory, what it succeeds stays dead', () => {
  const old = Segments.allocate(8)
  const slice = old.slice(2)
  const area = Segments.areaOf(old)
  old.revoke()
  const s = Segments.successor(old).start(area)
  s.add(0, 8)
  expect(s.compare(new Uint8Array(8))).toBe(-1)
  expect([s.revoked, old.revoked, slice.revoked, old.length]).toEqual([false, true, true, 0])
  for (const use of [() => old.set(new Uint8Array(1)), () => old.toBuffer(), () => slice.zero()]) expect(use).toThrow(SegmentsRevokedError)
})

test('a view is the same memory, counts its pins there, and dies with the command', () => {
  const s = Segments.of(Buffer.from('abcdefgh'))
  const views = [Segments.view(s), Segments.view(s.slice(2)), Segments.view(s).slice(2)]
  expect(views.map((v) => v.toBuffer().toString())).toEqual(['abcdefgh', 'cdefgh', 'cdefgh'])
  expect(views.map((v) => v.pinned)).toEqual([s, s, s])
  // It would be added to those of the command that has the memory by then.
  for (const v of views) expect(() => v.add(0, 1)).toThrow(TypeError)
  s.revoke()
  s.start(Segments.areaOf(s))
  s.add(0, 8)
  expect(s.toBuffer().toString()).toBe('abcdefgh')
  for (const v of views) for (const use of [() => v.set(new Uint8Array(1)), () => v.toBuffer(), () => v.slice(0)]) expect(use).toThrow(SegmentsRevokedError)
})

test('a slice of an earlier command stays dead when its memory serves the next one', () => {
  const s = new Segments().start(DataArea.allocate(8))
  s.add(0, 8)
  const old = s.slice(0, 4)
  const older = old.slice(0, 2)
  s.revoke()
  s.start(Segments.areaOf(s))
  s.add(0, 8)
  expect([s.revoked, old.revoked, older.revoked]).toEqual([false, true, true])
  expect(() => old.set(new Uint8Array(4))).toThrow(SegmentsRevokedError)
  expect(() => older.toBuffer()).toThrow(SegmentsRevokedError)
  expect(s.slice(4).compare(new Uint8Array(4))).toBe(-1)
})
