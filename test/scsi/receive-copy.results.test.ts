import { copyLimits, FailureDetails, OperatingParameters, Status, StatusLid1, StatusLid4 } from '@tcmu/host/scsi'
import { cdb, copyListLid1, copySegment, cscd, directly, expectCheck, expectGood, expectInvalidField, expectInvalidParameter, Initiator, type ScsiAnswer } from '@tcmu/host/testing'
import { sense, senseKey } from '@tcmu/host/scsi'
import { copyBetween4, gated, nexusOf, sendLid1, type Unit, units } from './copy-harness'
import { fieldOf, pattern } from './harness'

const named = (u: Unit, listIdentifier: number, fields: object = {}, listIdUsage = 0) =>
  sendLid1(u.initiator, copyListLid1([cscd(u.serial)], [copySegment({ blocks: 4, destinationLba: 100, ...fields })], { listIdentifier, listIdUsage }))
const ask = (u: Unit, bytes: Uint8Array) => u.initiator.send(bytes, { dataIn: 512 })
const status1 = async (u: Unit, listIdentifier: number) => StatusLid1.decode(expectGood(await ask(u, cdb.receiveCopyStatusLid1({ listIdentifier }))).data)
const status4 = async (u: Unit, listIdentifier: number) => {
  const { data } = expectGood(await ask(u, cdb.receiveCopyStatusLid4({ listIdentifier })))
  expect(data.length).toBe(StatusLid4.size + StatusLid4.decode(data).senseLength)
  return { ...StatusLid4.decode(data), sense: data.subarray(StatusLid4.size) }
}
const unknown = (answer: ScsiAnswer) => expect(fieldOf(expectInvalidField(answer).sense)).toEqual({ byte: 2, bit: -1, inCdb: true })

test('what was copied is told by list identifier, to the nexus that had it copied', async () => {
  const [u] = await units([{}])
  expectGood(await named(u, 7))
  expect(await status1(u, 7)).toEqual({ available: 8, hdd: 0, managerStatus: 1, segments: 1, units: 0, count: 2048 })
  expect(await status4(u, 7)).toMatchObject({ available: 28, serviceAction: 0, operationStatus: 1, operations: 2, completion: 0, count: 2048, segments: 1, senseLength: 0 })
  expectGood(await ask(u, cdb.receiveCopyFailureDetails({ listIdentifier: 7 })))
  unknown(await ask(u, cdb.receiveCopyStatusLid1({ listIdentifier: 8 })))
  const stranger = new Initiator(directly(u.device, { nexus: { name: 'stranger' } }))
  unknown(await stranger.send(cdb.receiveCopyStatusLid4({ listIdentifier: 7 }), { dataIn: 512 }))
})

test('usage 10b is kept as well, usage 11b is not, and a name can be used again', async () => {
  const [u] = await units([{}])
  expectGood(await named(u, 7, {}, 2))
  expect((await status1(u, 7)).count).toBe(2048)
  expectGood(await named(u, 7, { blocks: 1 }))
  expect((await status1(u, 7)).count).toBe(512)
  expectGood(await named(u, 0, {}, 3))
  unknown(await ask(u, cdb.receiveCopyStatusLid1({ listIdentifier: 0 })))
})

test('a failure has its sense data', async () => {
  const [u] = await units([{ handler: { write: () => Status.WR_ERR } }])
  const failed = expectCheck(await named(u, 9), senseKey.COPY_ABORTED, sense.THIRD_PARTY_DEVICE_FAILURE)
  expect(await status1(u, 9)).toMatchObject({ managerStatus: 2, segments: 0, count: 0 })
  const { data } = expectGood(await ask(u, cdb.receiveCopyFailureDetails({ listIdentifier: 9 })))
  const details = FailureDetails.decode(data)
  expect(details).toEqual({ available: data.length - 4, status: 2, senseLength: failed.sense.length })
  expect(data.subarray(FailureDetails.size)).toEqual(Buffer.from(failed.sense))
  const four = await status4(u, 9)
  expect(four).toMatchObject({ operationStatus: 2, completion: 2, segments: 0 })
  expect(Buffer.from(four.sense)).toEqual(Buffer.from(failed.sense))
})

test('nothing is told of failures there were none of', async () => {
  const [u] = await units([{}])
  expectGood(await named(u, 1))
  expect(expectGood(await ask(u, cdb.receiveCopyFailureDetails({ listIdentifier: 1 }))).data.toString('hex')).toBe('00000000')
})

test('answers are cut to the allocation length', async () => {
  const [u] = await units([{}])
  expectGood(await named(u, 1))
  for (const bytes of [cdb.receiveCopyStatusLid1({ listIdentifier: 1, allocation: 4 }), cdb.receiveCopyStatusLid4({ listIdentifier: 1, allocation: 4 }), cdb.receiveCopyParameters({ allocation: 4 })]) {
    expect(expectGood(await ask(u, bytes)).data.length).toBe(4)
  }
})

test('OPERATING PARAMETERS are what the copy manager keeps to', async () => {
  const [u] = await units([{}])
  const { data } = expectGood(await ask(u, cdb.receiveCopyParameters()))
  expect(OperatingParameters.decode(data)).toEqual({
    available: data.length - 4, snlid: 1, maxCscd: copyLimits.cscd, maxSegments: copyLimits.segments, maxDescriptorList: copyLimits.descriptorBytes,
    maxSegmentLength: copyLimits.segmentBytes, maxInline: 0, heldData: 0, maxStream: 0, totalCopies: 255, maxCopies: 255, dataGranularity: 9,
    inlineGranularity: 0, heldGranularity: 0, implementedLength: 2,
  })
  expect([...data.subarray(OperatingParameters.size)]).toEqual([0x02, 0xe4])
})

describe('while it runs', () => {
  async function running(immed: number) {
    const gate = gated('write')
    const all = await units([{ sizeBytes: 8 << 20 }, { sizeBytes: 8 << 20, handler: gate.handler }])
    all[0].memory.set(pattern(8000))
    const answer = copyBetween4(all, { listIdentifier: 0x12345678, immed }, { source: 0, destination: 1, blocks: 8000 })
    if (immed) expectGood(await answer)
    await gate.begun()
    return { all, gate, answer, u: all[0] }
  }
  const ended = async (u: Unit, listIdentifier = 0x12345678) => {
    for (;;) {
      const found = await status4(u, listIdentifier)
      if (found.operationStatus < 0x10 || found.operationStatus > 0x12) return found
      await new Promise((r) => setImmediate(r))
    }
  }

  test.each([[0, 0x11], [1, 0x12]])('IMMED=%i: status %i, then what came of it', async (immed, operationStatus) => {
    const { all, gate, answer, u } = await running(immed)
    expect(await status4(u, 0x12345678)).toMatchObject({ serviceAction: 1, operationStatus, count: 0, segments: 0 })
    unknown(await ask(u, cdb.receiveCopyStatusLid1({ listIdentifier: 0x78 })))
    gate.open()
    expect(await ended(u)).toMatchObject({ operationStatus: 1, count: 8000 * 512, segments: 1, operations: 8 })
    expectGood(await answer)
    expect(Buffer.compare(all[1].memory.subarray(0, 8000 * 512), pattern(8000))).toBe(0)
  })

  test('its name is taken', async () => {
    const { all, gate, answer, u } = await running(0)
    const again = await copyBetween4(all, { listIdentifier: 0x12345678 }, { source: 0, destination: 1, blocks: 1 })
    expectCheck(again, senseKey.ILLEGAL_REQUEST, sense.OPERATION_IN_PROGRESS)
    gate.open()
    expectGood(await answer)
    expectGood(await copyBetween4(all, { listIdentifier: 0x12345678 }, { source: 0, destination: 1, blocks: 1 }))
    const other = gated('read')
    expect(other.waiting).toEqual([])
    expect((await status4(u, 0x12345678)).count).toBe(512)
  })

  test('in the other format, too', async () => {
    const gate = gated('write')
    const [u] = await units([{ handler: gate.handler }])
    const first = named(u, 5)
    await gate.begun()
    unknown(await ask(u, cdb.receiveCopyFailureDetails({ listIdentifier: 5 })))
    expectInvalidParameter(await copyBetween4([u], { listIdentifier: 5 }, { blocks: 1 }))
    gate.open()
    expectGood(await first)
  })

  test.each([0, 1])('COPY OPERATION ABORT ends it (IMMED=%i)', async (immed) => {
    const { all, gate, answer, u } = await running(immed)
    unknown(await u.initiator.send(cdb.copyOperationAbort({ listIdentifier: 1 }), {}))
    const abort = u.initiator.send(cdb.copyOperationAbort({ listIdentifier: 0x12345678 }), {})
    await new Promise((r) => setImmediate(r))
    gate.open()
    expectGood(await abort)
    expect((await answer).status).toBe(immed ? 0 : 0x40)
    expect(await status4(u, 0x12345678)).toMatchObject({ operationStatus: 0x60, segments: 0 })
    unknown(await u.initiator.send(cdb.copyOperationAbort({ listIdentifier: 0x12345678 }), {}))
    expect(all.map((x) => x.device.inflight)).toEqual([0, 0])
  })

  test('one in the background ends with its nexus', async () => {
    const { all, gate } = await running(1)
    // What a front end does when a session is over.
    const lost = [...all].map((x) => x.device.abort(() => true))
    for (const { device } of all) device.leave(nexusOf(all))
    gate.open()
    await Promise.all(lost)
    while (all.some((x) => x.device.inflight > 0)) await new Promise((r) => setImmediate(r))
    unknown(await ask(all[0], cdb.receiveCopyStatusLid4({ listIdentifier: 0x12345678 })))
    expect(all[1].memory.subarray(4 << 20).every((b) => b === 0)).toBe(true)
  })

  test('one in the background ends with the unit that it copies to', async () => {
    const { all, gate, u } = await running(1)
    const closed = all[1].device.close(10)
    await new Promise((r) => setTimeout(r, 30))
    gate.open()
    await closed
    expect(await ended(u)).toMatchObject({ operationStatus: 0x02, completion: 2 })
  })
})
