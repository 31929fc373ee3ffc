import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { StateFile, StateFileError } from './state-file'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-state-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let n = 0
const fresh = (): StateFile => new StateFile(join(folder, `${n++}`, 'a.json'), 'test', 3)

test('what was written is read by the next process, the last of several writes wins', async () => {
  const file = fresh()
  expect(file.read()).toBeUndefined()
  await Promise.all([file.write({ a: 1 }), file.write({ a: 2 }), file.write({ a: [3, 'ä'] })])
  expect(new StateFile(file.file, 'test', 3).read()).toEqual({ a: [3, 'ä'] })
  expect(statSync(file.file).mode & 0o777).toBe(0o600)
  await file.remove()
  await file.remove()
  expect(file.read()).toBeUndefined()
})

test('a write that was cut short is not looked at', async () => {
  const file = fresh()
  await file.write({ a: 1 })
  writeFileSync(`${file.file}.new`, '{"kind": "te')
  expect(file.read()).toEqual({ a: 1 })
})

test('any byte that changes, and any end that is missing, is found out', async () => {
  const file = fresh()
  await file.write({ name: 'disk', values: [1, 2, 3] })
  const good = readFileSync(file.file)
  fc.assert(fc.property(fc.nat(good.length - 3), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, flip, cut) => {
    const bad = cut ? good.subarray(0, at) : Buffer.from(good)
    if (!cut) bad[at] = bad[at]! ^ flip
    writeFileSync(file.file, bad)
    try {
      // White space between tokens may change without changing what is said.
      expect(file.read()).toEqual({ name: 'disk', values: [1, 2, 3] })
      expect(String(bad).replace(/\s/g, '')).toBe(String(good).replace(/\s/g, ''))
    } catch (e) {
      expect(e).toBeInstanceOf(StateFileError)
      expect((e as StateFileError).message).toContain(file.file)
    }
  }), { numRuns: 2000 })
})

test.each([
  ['', /not JSON/], ['null', /kind test/], ['[]', /kind test/], ['{"kind":"other","version":3}', /kind test/],
  ['{"kind":"test","version":2,"checksum":"","data":1}', /version 2/], ['{"kind":"test","version":3,"checksum":"","data":1}', /checksum/],
  ['{"kind":"test","version":3,"checksum":""}', /checksum/],
])('refuses %s', (text, why) => {
  const file = new StateFile(join(folder, 'b.json'), 'test', 3)
  writeFileSync(file.file, text)
  expect(() => file.read()).toThrow(why)
})

test('a folder in its place is told, not thrown over', () => {
  expect(() => new StateFile(folder, 'test', 1).read()).toThrow(StateFileError)
})
