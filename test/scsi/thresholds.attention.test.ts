import { sense } from '@tcmu/host/scsi'
import { cdb, expectAttention, expectGood } from '@tcmu/host/testing'
import { type Disk, disk } from './harness'

const MiB = 2 ** 20
const REACHED = sense.THIN_PROVISIONING_SOFT_THRESHOLD_REACHED

async function change(d: Disk, code: number, subpage: number, edit: (page: Buffer) => void): Promise<void> {
  const page = Buffer.from(expectGood(await d.initiator.send(cdb.modeSense6({ page: code, subpage, dbd: 1 }), { dataIn: 192 })).data.subarray(4))
  edit(page)
  const list = Buffer.concat([Buffer.alloc(4), page])
  expectGood(await d.initiator.send(cdb.modeSelect6({ listLength: list.length }), { dataOut: list }))
}
const lbpere = (d: Disk, on: boolean) => change(d, 0x01, 0, (p) => void (p[7] = on ? 0x80 : 0))
/** Thresholds of what is available and what is used, in MiB. */
const thresholds = (d: Disk, available?: number, used?: number) => change(d, 0x1c, 2, (p) => {
  for (const [at, count] of [[16, available], [24, used]] as const) {
    p[at] = (p[at] & 0x7f) | (count === undefined ? 0 : 0x80)
    p.writeUInt32BE(count ?? 0, at + 4)
  }
})
const settle = () => jest.advanceTimersByTimeAsync(5000)
async function quiet(d: Disk): Promise<void> {
  await settle()
  for (const i of [d.initiator, d.other]) expectGood(await i.testUnitReady())
}
async function told(d: Disk): Promise<void> {
  await settle()
  for (const i of [d.initiator, d.other]) expectAttention(await i.testUnitReady(), REACHED)
}

beforeEach(() => jest.useFakeTimers({ doNotFake: ['performance', 'nextTick', 'setImmediate', 'queueMicrotask'] }))
afterEach(() => jest.useRealTimers())

test('every initiator hears once when storage falls short, and again after it had recovered', async () => {
  const space = { used: 0, available: 100 * MiB }
  const d = await disk({ handler: { space: () => ({ ...space }) } })
  const clear = async () => { await d.other.testUnitReady(); await d.other.testUnitReady() }
  await thresholds(d, 50)
  await lbpere(d, true)
  await clear()
  await quiet(d)
  space.available = 50 * MiB
  await told(d)
  space.available = 10 * MiB
  await quiet(d)
  space.available = 60 * MiB
  await quiet(d)
  space.available = 50 * MiB
  await told(d)
  await d.device.close(10)
})

test('a threshold of what is used is crossed from below', async () => {
  const space = { used: 9 * MiB, available: 0 }
  const d = await disk({ handler: { space: () => Promise.resolve({ ...space }) } })
  await thresholds(d, undefined, 10)
  await lbpere(d, true)
  await d.other.testUnitReady(); await d.other.testUnitReady()
  await quiet(d)
  space.used = 10 * MiB
  await told(d)
  await d.device.close(10)
})

test('without LBPERE, or without a threshold, nobody asks the handler', async () => {
  let asked = 0
  const d = await disk({ handler: { space: () => ({ used: asked++, available: 0 }) } })
  await thresholds(d, 50)
  await settle()
  await thresholds(d)
  await lbpere(d, true)
  await settle()
  expect(asked).toBe(0)
  await thresholds(d, 50)
  await settle()
  expect(asked).toBeGreaterThan(0)
  const before = asked
  expectAttention(await d.initiator.testUnitReady(), REACHED)
  await lbpere(d, false)
  await settle()
  expect(asked).toBe(before)
  await d.device.close(10)
})

test('a handler that cannot say does not end the watch', async () => {
  let fail = true
  const d = await disk({ handler: { space: () => { if (fail) throw new Error('no answer'); return { used: 0, available: 0 } } } })
  await thresholds(d, 50)
  await lbpere(d, true)
  await d.other.testUnitReady(); await d.other.testUnitReady()
  await quiet(d)
  fail = false
  await told(d)
  await d.device.close(10)
})
