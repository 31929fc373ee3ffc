import fc from 'fast-check'
import { setTimeout as sleep } from 'node:timers/promises'
import { Segments, Status } from '../scsi'
import { cdb, initiatorOf, InitiatorTask, ramHandler, testDevice } from '../testing'
import { LineBudget } from './budget'
import { amount, nameOf, outcomeOf, traceDevice } from './trace'
import type { Traced } from './traced'

async function traced(which: Traced, most = 100, handler: Partial<typeof ramHandler> = {}) {
  const lines: string[] = []
  const budget = new LineBudget((line) => void lines.push(line.replace(/\d+ µs/g, 'N µs')), amount, { most, windowMs: 40 })
  const device = await testDevice({ ...ramHandler, ...handler }, { name: 'd0' })
  traceDevice(device, which, budget)
  return { lines, device, initiator: initiatorOf(device), budget }
}

test('a command in the words of the standards: what, where, how much, how it ended, how long it took', async () => {
  const { lines, initiator } = await traced('all')
  await initiator.send(cdb.write16({ lba: 8, blocks: 16 }), { dataOut: new Uint8Array(8192) })
  await initiator.read({ lba: 2047, blocks: 1 })
  await initiator.read({ lba: 2048, blocks: 1 })
  await initiator.inquiry()
  await initiator.testUnitReady()
  await initiator.send(Uint8Array.of(0xc1, 2, 3, 0, 0, 0), {})
  expect(lines).toEqual([
    'd0 WRITE(16) lba 8, 16 blocks (8 KiB): GOOD, N µs',
    expect.stringMatching(/^d0 READ\(\d+\) lba 2047, 1 block \(512 B\): GOOD, N µs$/),
    expect.stringMatching(/^d0 READ\(\d+\) lba 2048, 1 block \(512 B\): CHECK CONDITION, ILLEGAL REQUEST, 21\/00 \(logical block address out of range\), N µs$/),
    expect.stringMatching(/^d0 INQUIRY \(\d+ B in\): GOOD, N µs$/),
    'd0 TEST UNIT READY: GOOD, N µs',
    'd0 command c1 02 03 00 00 00: CHECK CONDITION, ILLEGAL REQUEST, 20/00 (invalid command operation code), N µs',
  ])
})

test('only what went wrong, or nothing', async () => {
  const errors = await traced('errors')
  const off = await traced('off')
  for (const { initiator } of [errors, off]) {
    await initiator.testUnitReady()
    await initiator.read({ lba: 5000, blocks: 1 })
  }
  expect(errors.lines).toEqual([expect.stringContaining('21/00')])
  expect(off.lines).toEqual([])
  expect(off.device.trace).toBeUndefined()
})

test('many are summed up, each kind in a line, errors and others apart', async () => {
  const { lines, initiator } = await traced('all', 2)
  for (let i = 0; i < 10; i++) await initiator.read({ lba: i, blocks: 1 })
  for (let i = 0; i < 5; i++) await initiator.read({ lba: 5000, blocks: 1 })
  await sleep(80)
  expect(lines.filter((l) => !l.includes(' more,'))).toHaveLength(4)
  expect(lines.filter((l) => l.includes(' more,'))).toEqual([
    expect.stringMatching(/^d0 READ\(\d+\): GOOD: 8 more, 4 KiB, N µs on average, N µs at most$/),
    expect.stringMatching(/^d0 READ\(\d+\): CHECK CONDITION, ILLEGAL REQUEST, 21\/00 .*: 3 more, 0 B, N µs on average/),
  ])
  await initiator.testUnitReady()
  expect(lines.at(-1)).toBe('d0 TEST UNIT READY: GOOD, N µs')
})

test('an aborted command says so', async () => {
  const { lines, device } = await traced('all', 100, { read: () => sleep(20).then(() => Status.OK) })
  await new Promise<void>((resolve) => {
    const task = new InitiatorTask({ name: 'x' }, cdb.read10({ lba: 0, blocks: 1 }), () => resolve())
    task.data = Segments.allocate(512)
    task.expected = 512
    device.execute(task)
    task.abort()
  })
  expect(lines).toEqual([expect.stringMatching(/lba 0, 1 block \(512 B\): aborted, N µs$/)])
})

test('any CDB and any sense data give one line', () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 32 }), fc.uint8Array({ maxLength: 96 }), fc.nat(255), (bytes, sense, status) => {
    const padded = new Uint8Array(260)
    padded.set(bytes)
    const name = nameOf({ row: undefined, cdb: padded, cdbLength: bytes.length })
    const outcome = outcomeOf({ row: undefined, cdb: padded, cdbLength: bytes.length, dataInLength: 0, status, sense, senseLength: sense.length, aborted: false })
    for (const text of [name, outcome]) expect(text).toMatch(/^[^\n]+$/)
  }))
})

test('amounts', () => {
  expect([0, 512, 1024, 1536, 64 * 2 ** 20, 5 * 2 ** 30].map(amount)).toEqual(['0 B', '512 B', '1 KiB', '1.5 KiB', '64 MiB', '5 GiB'])
})
