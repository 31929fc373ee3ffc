import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { StateFile } from '@tcmu/host/state'
import { fileReservationStore, type PersistentState, persistentOf, ReservationStoreError, stateFrom } from './store'

let folder: string
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'reservations-'))))
afterEach(() => rmSync(folder, { recursive: true }))

const state: PersistentState = {
  registrations: [
    { initiator: 'iqn.2026-11.test:a', isid: '000000000001', port: 1, key: '00000000000000aa' },
    { initiator: 'iqn.2026-11.test:b', isid: '', port: 1, key: '00000000000000bb' },
  ],
  reservation: { type: 3, holder: 1 },
}

test('what was saved is loaded, by another store too', async () => {
  const store = fileReservationStore(path.join(folder, 'not', 'there'), 'disk0')
  expect(store.load()).toBeUndefined()
  await store.save(state)
  expect(store.load()).toEqual(state)
  expect(persistentOf(stateFrom(fileReservationStore(path.join(folder, 'not', 'there'), 'disk0').load()))).toEqual(state)
})

test('nothing to keep removes the file, also when there is none', async () => {
  const store = fileReservationStore(folder, 'disk0')
  await store.save(undefined)
  await store.save(state)
  await store.save(undefined)
  expect(readdirSync(folder)).toEqual([])
  expect(store.load()).toBeUndefined()
})

test('logical units do not share a file, whatever their names', async () => {
  for (const name of ['../up', 'a/b', 'a b', '..']) await fileReservationStore(folder, name).save(state)
  expect(readdirSync(folder)).toHaveLength(4)
  expect(statSync(path.join(folder, readdirSync(folder)[0])).mode & 0o077).toBe(0)
})

test('a crash before the new file took its place leaves the old state', async () => {
  const store = fileReservationStore(folder, 'disk0')
  await store.save(state)
  writeFileSync(path.join(folder, 'disk0.reservations.json.new'), '{"version": 1, "regist')
  expect(store.load()).toEqual(state)
  await store.save({ registrations: [] })
  expect(store.load()).toEqual({ registrations: [] })
})

test('a folder that cannot be written to rejects', async () => {
  writeFileSync(path.join(folder, 'file'), '')
  await expect(fileReservationStore(path.join(folder, 'file'), 'disk0').save(state)).rejects.toThrow(/EEXIST|ENOTDIR/)
})

const r = state.registrations[0]
const file = (): string => path.join(folder, 'disk0.reservations.json')
const load = (): unknown => fileReservationStore(folder, 'disk0').load()

test.each<[string, unknown, RegExp]>([
  ['no object', 7, /no registrations/],
  ['nothing', null, /no registrations/],
  ['no registrations', {}, /no registrations/],
  ['a registration that is nothing', { registrations: [null] }, /initiator name/],
  ['no name', { registrations: [{ ...r, initiator: '' }] }, /initiator name/],
  ['a wrong ISID', { registrations: [{ ...r, isid: '1' }] }, /ISID/],
  ['a wrong port', { registrations: [{ ...r, port: -1 }] }, /port/],
  ['key zero', { registrations: [{ ...r, key: '0000000000000000' }] }, /key/],
  ['one twice', { registrations: [r, r] }, /twice/],
  ['a wrong type', { registrations: [r], reservation: { type: 2, holder: 0 } }, /type/],
  ['no holder', { registrations: [r], reservation: { type: 3, holder: 1 } }, /holder/],
  ['a reservation that is nothing', { registrations: [r], reservation: null }, /type/],
  ['too many', { registrations: Array.from({ length: 1025 }, (_, port) => ({ ...r, port })) }, /more than 1024/],
])('a file whose contents make no state is refused with its path and left alone: %s', async (_name, data, why) => {
  await new StateFile(file(), 'persistent reservations', 2).write(data)
  const text = readFileSync(file(), 'utf8')
  expect(load).toThrow(ReservationStoreError)
  expect(load).toThrow(`E_RESERVATION_STATE: ${file()}: `)
  expect(load).toThrow(why)
  expect(readFileSync(file(), 'utf8')).toBe(text)
})

test.each([
  ['no JSON', '{"version": 1,', /not JSON/],
  ['of the version without a checksum', JSON.stringify({ version: 1, ...state }), /kind/],
  ['changed since', JSON.stringify({ kind: 'persistent reservations', version: 2, checksum: '00', data: state }), /checksum/],
])('a damaged file is refused with its path and left alone: %s', (_name, text, why) => {
  writeFileSync(file(), text)
  expect(load).toThrow(ReservationStoreError)
  expect(load).toThrow(`E_RESERVATION_STATE: ${file()}: `)
  expect(load).toThrow(why)
  expect(readFileSync(file(), 'utf8')).toBe(text)
})
