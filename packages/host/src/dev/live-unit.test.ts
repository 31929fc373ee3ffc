import { setTimeout as sleep } from 'node:timers/promises'
import { Status } from '../scsi'
import { directly, expectGood, Initiator, ramHandler, testDevice } from '../testing'
import { LiveUnit } from './live-unit'

const key = { UNIT_ATTENTION: 6 } as const
const BUSY = 8

async function served(holdMs?: number) {
  const device = await testDevice(ramHandler)
  const live = new LiveUnit(device, holdMs)
  return { device, live, initiator: new Initiator(directly(live.unit), 512) }
}

test('commands that come while there is no device wait for the next one; first it says that there was a reset', async () => {
  const { live, initiator } = await served()
  live.hold()
  const answers = [initiator.testUnitReady(), initiator.write(3, new Uint8Array(512).fill(7)), initiator.read({ lba: 3, blocks: 1 })]
  await sleep(20)
  expect(live.waiting).toBe(3)
  live.use(await testDevice(ramHandler))
  const [first, wrote, read] = await Promise.all(answers)
  expect([first!.key, first!.asc]).toEqual([key.UNIT_ATTENTION, 0x2900])
  expectGood(wrote!)
  expect(expectGood(read!).data.every((b) => b === 7)).toBe(true)
})

test('what waits too long is answered BUSY, and what comes then at once', async () => {
  const { live, initiator } = await served(30)
  live.hold()
  expect((await initiator.testUnitReady()).status).toBe(BUSY)
  const began = performance.now()
  expect((await initiator.testUnitReady()).status).toBe(BUSY)
  expect(performance.now() - began).toBeLessThan(25)
  live.use(await testDevice(ramHandler))
  expect((await initiator.testUnitReady()).key).toBe(key.UNIT_ATTENTION)
  expectGood(await initiator.testUnitReady())
})

test('another capacity is told of', async () => {
  const { live, initiator } = await served()
  live.use(await testDevice(ramHandler, { sizeBytes: 2 << 20 }))
  expect([(await initiator.testUnitReady()).asc, (await initiator.testUnitReady()).asc]).toEqual([0x2900, 0x2a09])
  expectGood(await initiator.write(4095, new Uint8Array(512)))
})

test('what waits is aborted like what is under way, and finished once', async () => {
  const { live, initiator } = await served()
  live.hold()
  const answer = initiator.testUnitReady()
  await sleep(5)
  expect(await live.unit.abort(() => true)).toBe(1)
  expect((await answer).status).not.toBe(0)
  expect(live.waiting).toBe(0)
})

test('extensions of the front end and sessions move with it; a session that left does not come back', async () => {
  const { live } = await served()
  const [stays, leaves] = [{ name: 'stays' }, { name: 'leaves' }]
  const answered: number[] = []
  live.unit.extend({ name: 'front end', answer: (task) => void answered.push(task.cdb[0]!) })
  live.unit.join(stays)
  live.unit.join(leaves)
  live.unit.leave(leaves)
  const next = await testDevice(ramHandler)
  const joined: string[] = []
  const { join } = next
  next.join = (nexus) => {
    joined.push(nexus.name)
    join.call(next, nexus)
  }
  live.use(next)
  expect(joined).toContain('stays')
  expect(joined).not.toContain('leaves')
  expect(next.takeAttention(stays)).toBe(Status.POWER_ON)
  await new Initiator(directly(live.unit, { nexus: stays }), 512).testUnitReady()
  expect(answered).toContain(0)
})

test('its facts are those of the device that is there', async () => {
  const { live } = await served()
  const bigger = await testDevice(ramHandler, { sizeBytes: 4 << 20, name: 'bigger' })
  live.use(bigger)
  live.unit.stopped = true
  expect([live.unit.name, live.unit.blocks, bigger.stopped, 'blocks' in live.unit]).toEqual(['bigger', 8192, true, true])
})
