import { DescriptorSense, FixedSense, sense, senseKey } from '@tcmu/host/scsi'
import { cdb, expectAttention, expectCheck, expectGood, expectInvalidField, faulty, ramHandler } from '@tcmu/host/testing'
import { BLOCK, disk, fieldOf, pattern } from './harness'

describe('REQUEST SENSE', () => {
  test('is NO SENSE when nothing waits, in the format asked for', async () => {
    const { initiator } = await disk()
    const fixed = expectGood(await initiator.requestSense()).data
    expect(fixed.length).toBe(18)
    expect(FixedSense.decode(fixed)).toMatchObject({ responseCode: 0x70, key: 0, asc: 0 })
    const descriptor = expectGood(await initiator.send(cdb.requestSense({ desc: 1 }), { dataIn: 252 })).data
    expect(DescriptorSense.decode(descriptor)).toMatchObject({ responseCode: 0x72, key: 0, asc: 0, additionalLength: 0 })
  })

  test('takes the unit attention that waits', async () => {
    const { initiator, other, device } = await disk()
    device.resized(BLOCK * 10)
    expect(FixedSense.decode(expectGood(await initiator.requestSense()).data)).toMatchObject({ key: 6, asc: 0x2a09 })
    expectGood(await initiator.testUnitReady())
    expectAttention(await other.testUnitReady(), sense.CAPACITY_DATA_HAS_CHANGED)
  })

  test('tells of a stopped unit', async () => {
    const { initiator } = await disk()
    await initiator.send(cdb.startStopUnit({ start: 0 }), {})
    expect(FixedSense.decode(expectGood(await initiator.requestSense()).data)).toMatchObject({ key: 2, asc: 0x0402 })
  })

  test('is cut to the allocation length', async () => {
    const { send } = await disk()
    expect((await send(cdb.requestSense({ allocation: 5 }), { dataIn: 5 })).data.length).toBe(5)
  })
})

describe('START STOP UNIT', () => {
  const flushes = () => {
    const calls: string[] = []
    return { calls, handler: { flush: () => void calls.push('flush') } }
  }

  test('stops after a flush, and starts again', async () => {
    const { calls, handler } = flushes()
    const { initiator } = await disk({ handler })
    expectGood(await initiator.send(cdb.startStopUnit({ start: 0 }), {}))
    expect(calls).toEqual(['flush'])
    for (const command of [initiator.testUnitReady(), initiator.read({ lba: 0, blocks: 1 }), initiator.write(0, pattern(1)), initiator.readCapacity16()]) {
      expectCheck(await command, senseKey.NOT_READY, sense.LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED)
    }
    expectGood(await initiator.inquiry())
    expectGood(await initiator.send(cdb.startStopUnit({ start: 1 }), {}))
    expectGood(await initiator.testUnitReady())
  })

  test('NO_FLUSH leaves the flush out', async () => {
    const { calls, handler } = flushes()
    const { initiator } = await disk({ handler })
    expectGood(await initiator.send(cdb.startStopUnit({ start: 0, noFlush: 1 }), {}))
    expect(calls).toEqual([])
  })

  test('does not stop when the flush fails', async () => {
    const { initiator } = await disk({ handler: faulty(ramHandler, { operation: 'flush', error: 'EIO' }) as never })
    expect((await initiator.send(cdb.startStopUnit({ start: 0 }), {})).status).toBe(2)
    expectGood(await initiator.testUnitReady())
  })

  test.each([
    [{ powerCondition: 1, start: 1 }, 4, 7],
    [{ powerCondition: 0xb }, 4, 7],
    [{ loej: 1, start: 1 }, 4, 1],
    [{ loej: 1 }, 4, 1],
  ])('refuses %j', async (fields, byte, bit) => {
    const { initiator } = await disk()
    expect(fieldOf(expectInvalidField(await initiator.send(cdb.startStopUnit(fields), {})).sense)).toEqual({ byte, bit, inCdb: true })
    expectGood(await initiator.testUnitReady())
  })
})
