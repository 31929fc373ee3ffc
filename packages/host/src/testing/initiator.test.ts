import { fixedSense, sam, sense, senseKey, Status } from '../scsi'
import {
  answerOf, attach, cdb, describeAnswer, expectAttention, expectBusy, expectData, expectGood, expectInternalFailure, expectInvalidOpcode,
  expectLbaOutOfRange, expectMiscompare, expectReadError, expectResidual, expectTaskAborted, expectWriteError, expectWriteProtected, faulty, held,
  Initiator, initiatorOf, misbehaving, nullHandler, Random, ramHandler, slow, testDevice,
} from '.'
import { descriptorSense } from '../scsi/sense'
import type { BlocksHandler } from '../handler'
import type { DeviceRuntime } from '../device'

const random = new Random(7)

/** The same device twice: tasks handed over in pieces of up to 700 bytes, and through a ring of 4 KiB. */
const ways: [string, (device: DeviceRuntime) => { initiator: Initiator; end: () => Promise<void> }][] = [
  ['directly', (device) => ({ initiator: initiatorOf(device, { pieces: 700 }), end: () => device.close(100) })],
  ['through a ring', (device) => {
    const { initiator, detach } = attach(device)
    return { initiator, end: async () => { await detach(); await device.close(100) } }
  }],
]

describe.each(ways)('%s', (_way, connect) => {
  async function served(handler: BlocksHandler<any> = ramHandler, options = {}, run: (i: Initiator, d: DeviceRuntime) => Promise<void>): Promise<void> { // eslint-disable-line @typescript-eslint/no-explicit-any
    const device = await testDevice(handler, options)
    const { initiator, end } = connect(device)
    await run(initiator, device)
    await end()
  }

  test('what is written is read back', () => served(undefined, {}, async (i) => {
    const data = random.bytes(7 * 512)
    expectGood(await i.testUnitReady())
    expectGood(await i.write(5, data))
    expectData(await i.read({ lba: 5, blocks: 7 }), data)
    expectData(await i.read({ lba: 6, blocks: 2 }), data.subarray(512, 3 * 512))
    expectGood(await i.synchronizeCache())
  }))

  test('thirty-two at once, mixed', () => served(slow(ramHandler, 1), {}, async (i) => {
    const blocks = Array.from({ length: 32 }, () => random.bytes(4096))
    for (const a of await Promise.all(blocks.map((b, k) => i.write(k * 8, b)))) expectGood(a)
    const answers = await Promise.all(blocks.map((_b, k) => i.read({ lba: k * 8, blocks: 8 })))
    answers.forEach((a, k) => expectData(a, blocks[k]))
  }))

  test('short answers have a residual', () => served(undefined, {}, async (i) => {
    expect((await i.inquiry()).data[4] + 5).toBe((await i.inquiry()).data.length)
    expectResidual(await i.send(cdb.readCapacity10(), { dataIn: 20 }), 12)
    expectResidual(await i.send(cdb.inquiry({ allocation: 5 }), { dataIn: 100 }), 95)
  }))

  test('errors keep their meaning', () => served(undefined, { readOnly: true }, async (i) => {
    expectLbaOutOfRange(await i.read({ lba: 2048, blocks: 1 }))
    expectWriteProtected(await i.write(0, new Uint8Array(512)))
    expectInvalidOpcode(await i.send(Uint8Array.of(0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0), {}))
    expectInvalidOpcode(await i.send(Uint8Array.of(0x61, 0, 0, 0, 0, 0), { dataIn: 600 }))
  }))

  test('a failing backend', () => served(faulty(ramHandler, { operation: 'read', error: 'EIO', after: 1, times: 1 }, { operation: 'write', error: 'EIO', later: true }, { operation: 'flush', error: Status.BUSY }), {}, async (i) => {
    expectGood(await i.read({ lba: 0, blocks: 1 }))
    expectReadError(await i.read({ lba: 0, blocks: 1 }))
    expectGood(await i.read({ lba: 0, blocks: 1 }))
    expectWriteError(await i.write(0, new Uint8Array(512)))
    expectBusy(await i.synchronizeCache())
  }))

  test.each([
    ['throwsText', misbehaving.throwsText()], ['rejectsNothing', misbehaving.rejectsNothing()], ['crashes', misbehaving.crashes()],
    ['answersText', misbehaving.answersText()], ['answersUnknownStatus', misbehaving.answersUnknownStatus()], ['answersObject', misbehaving.answersObject()],
  ])('a handler that %s', (_bug, handler) => served(handler, {}, async (i) => {
    for (let k = 0; k < 3; k++) expect((await i.read({ lba: 0, blocks: 1 })).status).toBe(sam.CHECK_CONDITION)
    expectGood(await i.testUnitReady())
  }))

  test('a handler that goes on after the end meets dead data', async () => {
    const errors: unknown[] = []
    await served(misbehaving.writesAfterwards(errors), {}, async (i) => {
      expectGood(await i.read({ lba: 0, blocks: 1 }))
      await new Promise((resolve) => setTimeout(resolve, 15))
    })
    expect(errors).toEqual([expect.objectContaining({ code: 'E_SEGMENTS_REVOKED' })])
  })

  test('a command is not over while its I/O is under way', async () => {
    const pinned: { done: () => void }[] = []
    await served(misbehaving.leavesPinned(pinned), {}, async (i) => {
      let over = false
      const answer = i.read({ lba: 0, blocks: 1 }).finally(() => (over = true))
      await new Promise((resolve) => setTimeout(resolve, 10))
      expect([pinned.length, over]).toEqual([1, false])
      pinned[0].done()
      expectGood(await answer)
    })
  })

  test('unit attentions reach the initiator once', () => served(undefined, {}, async (i, device) => {
    await i.testUnitReady()
    device.attention(Status.CAPACITY_CHANGED)
    expectAttention(await i.testUnitReady(), sense.CAPACITY_DATA_HAS_CHANGED)
    expectGood(await i.testUnitReady())
  }))

  test('the null handler reads zeroes', () => served(nullHandler, {}, async (i) => {
    expectGood(await i.write(0, random.bytes(1024)))
    expectData(await i.read({ lba: 0, blocks: 2 }), new Uint8Array(1024))
  }))

  test('held callbacks are let go in any order', async () => {
    const h = held(ramHandler, (o) => o === 'read')
    await served(h.handler, {}, async (i) => {
      const order: number[] = []
      const reads = [0, 1, 2].map((lba) => i.read({ lba, blocks: 1 }).then((a) => (order.push(lba), expectGood(a))))
      while (h.waiting.length < 3) await new Promise((resolve) => setImmediate(resolve))
      h.release(2)
      h.release(0)
      await Promise.all([reads[2], reads[0]])
      h.releaseAll()
      await Promise.all(reads)
      expect(order).toEqual([2, 0, 1])
    })
  })
})

test('a logical unit reset through the ring aborts what runs', async () => {
  const device = await testDevice(misbehaving.neverSettles())
  const { kernel, initiator, detach } = attach(device)
  const reads = [0, 1].map((lba) => initiator.read({ lba, blocks: 1 }))
  await new Promise((resolve) => setTimeout(resolve, 5))
  kernel.tmr(5, [1, 2])
  for (const a of await Promise.all(reads)) expectTaskAborted(a)
  expectGood(await initiator.testUnitReady())
  await detach()
})

test('expectations say what came instead', async () => {
  const check = answerOf(2, descriptorSense(senseKey.MISCOMPARE, sense.MISCOMPARE_DURING_VERIFY_OPERATION), new Uint8Array(0), 0)
  expect(expectMiscompare(check)).toBe(check)
  const wrong: [() => unknown, string][] = [
    [() => expectGood(check), 'expected GOOD, got CHECK CONDITION, MISCOMPARE, 1d/00 (miscompare during verify operation)'],
    [() => expectReadError(answerOf(0, new Uint8Array(96), new Uint8Array(0), 0)), 'expected CHECK CONDITION, MEDIUM ERROR, 11/00 (unrecovered read error), got GOOD'],
    [() => expectInternalFailure(answerOf(2, new Uint8Array(96), new Uint8Array(0), 0)), 'got CHECK CONDITION without sense data'],
    [() => expectInternalFailure(answerOf(2, fixedSense(9, { asc: 0x8001, text: '' }), new Uint8Array(0), 0)), 'got CHECK CONDITION, VENDOR SPECIFIC, 80/01 (code not in our table)'],
    [() => expectData(answerOf(0, new Uint8Array(0), Uint8Array.of(1, 2), 0), Uint8Array.of(1, 3)), 'expected Data-In of 0x3, got 0x2 at byte 1'],
    [() => expectData(answerOf(0, new Uint8Array(0), Uint8Array.of(1, 2), 0), Uint8Array.of(1)), 'expected Data-In of 1 bytes, got 2 bytes'],
    [() => expectResidual(answerOf(0, new Uint8Array(0), Uint8Array.of(), 3), 0), 'expected a residual of 0 bytes, got 3'],
  ]
  for (const [run, message] of wrong) expect(run).toThrow(expect.objectContaining({ name: 'AssertionError', message: expect.stringContaining(message) }))
  expect(describeAnswer({ status: 0x77, key: -1, asc: -1 })).toBe('0x77')
})
