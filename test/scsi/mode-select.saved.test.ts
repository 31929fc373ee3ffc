import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cdb, expectCheck, expectData, expectGood, expectInvalidField, expectWriteProtected } from '@tcmu/host/testing'
import { sense, senseKey } from '@tcmu/host/scsi'
import { ModeFile } from '../../packages/host/src/state'
import { type Disk, disk, type DiskOptions, fieldOf, pattern } from './harness'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-modes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let n = 0
const store = (name: string) => new ModeFile(folder, name)
const kept = (name: string, options: DiskOptions = {}) => disk({ savedModes: store(name), ...options })

const page = async (d: Disk, code: number, pc = 0, subpage = 0): Promise<Buffer> =>
  Buffer.from(expectGood(await d.initiator.send(cdb.modeSense6({ page: code, subpage, pc, dbd: 1 }), { dataIn: 192 })).data.subarray(4))
const select = (d: Disk, body: Buffer, sp: number) => {
  const list = Buffer.concat([Buffer.alloc(4), body])
  return d.initiator.send(cdb.modeSelect6({ listLength: list.length, sp }), { dataOut: list })
}
const flipped = (body: Buffer, byte: number, bit: number): Buffer => {
  const copy = Buffer.from(body)
  copy[byte] ^= 1 << bit
  return copy
}
const SWP = [4, 3] as const
const D_SENSE = [2, 2] as const

test('PS is set on pages with something to save, and on no other', async () => {
  const d = await kept(`${n++}`)
  for (const [code, ps] of [[0x01, 0], [0x02, 0], [0x08, 1], [0x0a, 1], [0x1a, 0], [0x1c, 0]] as const) expect([code, (await page(d, code))[0] >> 7]).toEqual([code, ps])
  for (const code of [0x08, 0x0a]) expect((await page(await disk(), code))[0] >> 7).toBe(0)
})

test('SP=1 keeps the values for the next process, SP=0 does not', async () => {
  const name = `${n++}`
  const first = await kept(name)
  expectGood(await select(first, flipped(await page(first, 0x0a), ...SWP), 1))
  expectGood(await select(first, flipped(await page(first, 0x0a), ...D_SENSE), 0))
  const saved = await page(first, 0x0a, 3)
  expect([saved[4] & 8, saved[2] & 4]).toEqual([8, 0])
  expect((await page(first, 0x0a))[2] & 4).toBe(4)

  const next = await kept(name)
  expectWriteProtected(await next.initiator.write(0, pattern(1)))
  const current = await page(next, 0x0a)
  expect(current).toEqual(saved)
  expect((await page(next, 0x0a, 2))[4] & 8).toBe(0)
  expectGood(await select(next, flipped(current, ...SWP), 1))
  expectGood(await (await kept(name)).initiator.write(0, pattern(1)))
})

test('SP=1 saves every page, also without a list', async () => {
  const name = `${n++}`
  const d = await kept(name)
  expectGood(await select(d, flipped(await page(d, 0x08), 2, 2), 0))
  expectGood(await select(d, flipped(await page(d, 0x0a), ...D_SENSE), 1))
  const again = await kept(name)
  expect([again.device.writeCache, again.device.modes.dSense]).toEqual([false, true])
  expectGood(await select(again, flipped(await page(again, 0x08), 2, 2), 0))
  expectGood(await again.initiator.send(cdb.modeSelect6({ sp: 1 }), {}))
  expect((await kept(name)).device.writeCache).toBe(true)
})

test('a reset makes what was saved current, and the defaults where nothing was', async () => {
  const d = await kept(`${n++}`)
  expectGood(await select(d, flipped(await page(d, 0x0a), ...D_SENSE), 1))
  expectGood(await select(d, flipped(await page(d, 0x0a), ...SWP), 0))
  expectGood(await select(d, flipped(await page(d, 0x08), 2, 2), 0))
  await d.device.reset()
  expect([d.device.modes.dSense, d.device.modes.swp]).toEqual([true, false])
  expect(d.device.writeCache).toBe(true)
  const plain = await disk()
  expectGood(await select(plain, flipped(await page(plain, 0x08), 2, 2), 0))
  await plain.device.reset()
  expect(plain.device.writeCache).toBe(true)
})

test('without a place to keep them nothing is saved, and everybody is told so', async () => {
  const d = await disk()
  const refused = expectCheck(await d.initiator.send(cdb.modeSense6({ page: 0x0a, pc: 3 }), { dataIn: 192 }), senseKey.ILLEGAL_REQUEST, sense.SAVING_PARAMETERS_NOT_SUPPORTED)
  expect(fieldOf(refused.sense)).toMatchObject({ byte: 2, inCdb: true })
  expect(fieldOf(expectInvalidField(await select(d, await page(d, 0x0a), 1)).sense)).toEqual({ byte: 1, bit: 0, inCdb: true })
})

test('values that cannot be kept fail the command', async () => {
  const d = await disk({ savedModes: { get: () => undefined, save: () => Promise.reject(Object.assign(new Error('no disk'), { code: 'EIO' })) } })
  const answer = await select(d, flipped(await page(d, 0x0a), ...D_SENSE), 1)
  expect(answer.status).toBe(2)
  expect(answer.key).not.toBe(senseKey.ILLEGAL_REQUEST)
})

test('bits that are not changeable stay as they are, whatever was saved', async () => {
  const d = await disk({ savedModes: { get: ({ code }) => (code === 0x0a ? new Uint8Array(10).fill(0xff) : undefined), save: () => Promise.resolve() } })
  expect((await page(d, 0x0a)).toString('hex')).toBe('8a0a061008400000ffff003c')
})

test('a file that holds something else is not made mode parameters of', async () => {
  expect(readdirSync(folder).length).toBeGreaterThan(0)
  writeFileSync(join(folder, 'bad.modes.json'), '{}')
  expect(() => store('bad')).toThrow(/bad\.modes\.json: it is no file of kind mode parameters/)
})

test('thresholds and LBPERE are kept too', async () => {
  const name = `${n++}`
  const options = { handler: { space: () => ({ used: 0, available: 2 ** 40 }) } }
  const d = await kept(name, options)
  const body = await page(d, 0x1c, 0, 2)
  body[16] |= 0x80
  body.writeUInt32BE(77, 20)
  expectGood(await select(d, body, 1))
  expectGood(await select(d, flipped(await page(d, 0x01), 7, 7), 1))
  const next = await kept(name, options)
  expect(next.device.modes).toMatchObject({ lbpere: true, thresholds: [{ enabled: true, count: 77 }, { enabled: false, count: 0 }] })
  expectData(await next.initiator.read({ lba: 0, blocks: 1 }), Buffer.alloc(512))
  await next.device.close(100)
  await d.device.close(100)
})
