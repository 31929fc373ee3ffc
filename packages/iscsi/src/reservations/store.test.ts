import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
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
test.each<[string, string]>([
  ['no JSON', '{"version": 1,'],
  ['no object', 'null'],
  ['another version', JSON.stringify({ version: 2, ...state })],
  ['no registrations', '{"version": 1}'],
  ['a registration that is nothing', '{"version": 1, "registrations": [null]}'],
  ['no name', JSON.stringify({ version: 1, registrations: [{ ...r, initiator: '' }] })],
  ['a wrong ISID', JSON.stringify({ version: 1, registrations: [{ ...r, isid: '1' }] })],
  ['a wrong port', JSON.stringify({ version: 1, registrations: [{ ...r, port: -1 }] })],
  ['key zero', JSON.stringify({ version: 1, registrations: [{ ...r, key: '0000000000000000' }] })],
  ['one twice', JSON.stringify({ version: 1, registrations: [r, r] })],
  ['a wrong type', JSON.stringify({ version: 1, registrations: [r], reservation: { type: 2, holder: 0 } })],
  ['no holder', JSON.stringify({ version: 1, registrations: [r], reservation: { type: 3, holder: 1 } })],
  ['a reservation that is nothing', JSON.stringify({ version: 1, registrations: [r], reservation: null })],
  ['too many', JSON.stringify({ version: 1, registrations: Array.from({ length: 1025 }, (_, port) => ({ ...r, port })) })],
])('a damaged file is refused with its path and left alone: %s', (_name, text) => {
  const file = path.join(folder, 'disk0.reservations.json')
  writeFileSync(file, text)
  const load = (): unknown => fileReservationStore(folder, 'disk0').load()
  expect(load).toThrow(ReservationStoreError)
  expect(load).toThrow(`E_RESERVATION_STATE: ${file}: `)
  expect(readFileSync(file, 'utf8')).toBe(text)
})
