import fc from 'fast-check'
import { FixedSense, type Nexus, sense, senseKey, Status } from '@tcmu/host/scsi'
import {
  attach, cdb, copyListLid1, copySegment, cscd, expectCheck, expectGood, expectInvalidParameter, expectWriteProtected, type ScsiAnswer,
} from '@tcmu/host/testing'
import { copyBetween, gated, sendLid1, units } from './copy-harness'
import { BLOCK, blocksOf, fieldOf, informationOf, pattern, zeroes } from './harness'

const aborted = (answer: ScsiAnswer, code: (typeof sense)[keyof typeof sense]) => expectCheck(answer, senseKey.COPY_ABORTED, code)
/** COMMAND-SPECIFIC INFORMATION (SPC-4 5.17.7.4), and the status and sense data of the side that failed. */
function forwarded(bytes: Uint8Array) {
  const [source, destination, high, low] = FixedSense.decode(bytes).commandSpecific
  const at = source || destination
  return { side: source ? 'source' : destination ? 'destination' : undefined, segment: high * 256 + low, status: bytes[at], sense: bytes.slice(at + 1) }
}
/** Byte of CSCD descriptor `i` of an EXTENDED COPY(LID1) parameter list. */
const cscdAt = (i: number) => 16 + 32 * i

describe('what is copied', () => {
  test('from one unit to another, asked of either or of a third', async () => {
    for (const asked of [0, 1, 2]) {
      const all = await units([{}, {}, {}])
      all[0].memory.set(pattern(8), 10 * BLOCK)
      const list = copyListLid1([cscd(all[0].serial), cscd(all[1].serial)], [copySegment({ source: 0, destination: 1, sourceLba: 10, destinationLba: 100, blocks: 8 })])
      expectGood(await sendLid1(all[asked].initiator, list))
      expect(blocksOf(all[1].memory, 99, 10)).toEqual(Buffer.concat([zeroes(), pattern(8), zeroes()]))
    }
  })

  test('several segments, in order', async () => {
    const all = await units([{}, {}])
    all[0].memory.set(pattern(2))
    expectGood(await copyBetween(all,
      { source: 0, destination: 1, destinationLba: 5, blocks: 2 }, { source: 1, destination: 0, sourceLba: 6, destinationLba: 40, blocks: 1 },
      { source: 0, destination: 0, sourceLba: 40, destinationLba: 41, blocks: 1 }))
    expect(blocksOf(all[0].memory, 40, 2)).toEqual(Buffer.concat([pattern(1, 2), pattern(1, 2)]))
  })

  test('more than one piece, and 0 blocks, and the unit that is asked by its own name', async () => {
    const all = await units([{ sizeBytes: 8 << 20 }, { sizeBytes: 8 << 20 }])
    all[0].memory.set(pattern(6000))
    expectGood(await copyBetween(all, { source: 0xffff, destination: 1, destinationLba: 3, blocks: 6000 }, { source: 0, destination: 1, blocks: 0 }))
    expect(blocksOf(all[1].memory, 3, 6000).equals(pattern(6000))).toBe(true)
  })

  test.each([[1, 'up'], [-1, 'down']])('ranges of one unit that overlap by all but %i arrive as they were (%s)', async (by) => {
    const [unit] = await units([{ sizeBytes: 8 << 20 }])
    unit.memory.set(pattern(5000), 10 * BLOCK)
    expectGood(await copyBetween([unit], { sourceLba: 10, destinationLba: 10 + by, blocks: 5000 }))
    expect(blocksOf(unit.memory, 10 + by, 5000).equals(pattern(5000))).toBe(true)
  })

  test.each([[0, 2, 2], [1, 2, 16]])('block lengths that differ: DC=%i, %i blocks', async (dc, blocks, of512) => {
    const all = await units([{}, { blockSize: 4096 }])
    all[0].memory.set(pattern(16))
    const answer = await copyBetween(all, { source: 0, destination: 1, dc, blocks: dc ? blocks : 16 })
    expectGood(answer)
    expect(Buffer.from(all[1].memory.slice(0, (dc ? of512 : 16) * BLOCK))).toEqual(pattern(dc ? of512 : 16))
  })

  test('property: any segments leave what a plain copy leaves', async () => {
    const segment = fc.record({ source: fc.nat(1), destination: fc.nat(1), sourceLba: fc.nat(40), destinationLba: fc.nat(40), blocks: fc.nat(24) })
    await fc.assert(fc.asyncProperty(fc.array(segment, { minLength: 1, maxLength: 6 }), async (segments) => {
      const all = await units([{ sizeBytes: 64 * BLOCK }, { sizeBytes: 64 * BLOCK }])
      const model = all.map((u, i) => {
        u.memory.set(pattern(64, 1 + 100 * i))
        return Buffer.from(u.memory)
      })
      for (const s of segments) model[s.destination].set(Buffer.from(model[s.source].subarray(s.sourceLba * BLOCK, (s.sourceLba + s.blocks) * BLOCK)), s.destinationLba * BLOCK)
      expectGood(await copyBetween(all, ...segments))
      all.forEach((u, i) => expect(Buffer.compare(u.memory, model[i])).toBe(0))
    }), { numRuns: 60 })
  })
})

describe('what is not, COPY ABORTED', () => {
  test.each([
    ['a unit that is not there', (u: { serial: string }) => [cscd(u.serial), cscd('feed')], {}, cscdAt(1), sense.COPY_TARGET_DEVICE_NOT_REACHABLE],
    ['another kind of name', (u: { serial: string }) => [cscd(u.serial), cscd(u.serial, { designatorType: 1 })], {}, cscdAt(1), sense.COPY_TARGET_DEVICE_NOT_REACHABLE],
    ['a null device', (u: { serial: string }) => [cscd(u.serial), cscd(u.serial, { nul: 1 })], {}, cscdAt(1), sense.COPY_TARGET_DEVICE_NOT_REACHABLE],
    ['a descriptor that is not there', (u: { serial: string }) => [cscd(u.serial)], {}, cscdAt(1) + 6, sense.COPY_TARGET_DEVICE_NOT_REACHABLE],
    ['another device type', (u: { serial: string }) => [cscd(u.serial), cscd(u.serial, { deviceType: 1 })], {}, cscdAt(1), sense.INCORRECT_COPY_TARGET_DEVICE_TYPE],
    ['another block length', (u: { serial: string }) => [cscd(u.serial, { blockLength: 512 }), cscd(u.serial, { blockLength: 4096 })], {}, cscdAt(1), sense.INCORRECT_COPY_TARGET_DEVICE_TYPE],
    ['blocks beyond the source', (u: { serial: string }) => [cscd(u.serial), cscd(u.serial)], { sourceLba: 2047, blocks: 2 }, cscdAt(2) + 12, sense.COPY_TARGET_DEVICE_NOT_REACHABLE],
    ['blocks beyond the destination', (u: { serial: string }) => [cscd(u.serial), cscd(u.serial)], { destinationLba: 2 ** 53, blocks: 1 }, cscdAt(2) + 20, sense.COPY_TARGET_DEVICE_NOT_REACHABLE],
  ])('%s', async (_what, targets, segment, byte, code) => {
    const [unit] = await units([{}])
    const list = copyListLid1(targets(unit), [copySegment({ source: 0, destination: 1, blocks: 1, ...segment })])
    const { sense: bytes } = aborted(await sendLid1(unit.initiator, list), code)
    expect(fieldOf(bytes)).toEqual({ byte, bit: -1, inCdb: false })
    expect(forwarded(bytes)).toMatchObject({ side: undefined, segment: 0 })
    expect(informationOf(bytes)).toBeUndefined()
  })

  test('a part of a block', async () => {
    const all = await units([{}, { blockSize: 4096 }])
    const { sense: bytes } = aborted(await copyBetween(all, { source: 0, destination: 1, blocks: 7 }), sense.UNEXPECTED_INEXACT_SEGMENT)
    expect(fieldOf(bytes)).toEqual({ byte: cscdAt(2) + 10, bit: -1, inCdb: false })
  })

  test.each([
    ['source', 'read', Status.RD_ERR, 0x1100], ['destination', 'write', Status.WR_ERR, 0x0c00],
  ] as const)('an error of the %s comes with what it said, and which segment that was', async (side, operation, status, asc) => {
    for (const failing of [() => status, () => { throw Object.assign(new Error('broken'), { code: 'EIO' }) }, () => Promise.reject(Object.assign(new Error('broken'), { code: 'EIO' }))]) {
      const which = side === 'source' ? 0 : 1
      let calls = 0
      const inner = { read: () => {}, write: () => {} }[operation]
      const all = await units([0, 1].map((i) => (i === which ? { handler: { [operation]: () => (++calls > 1 ? failing() : inner()) } } : {})))
      const segments = [{ source: 0, destination: 1, blocks: 1 }, { source: 0, destination: 1, blocks: 1 }, { source: 0, destination: 1, blocks: 1 }]
      const { sense: bytes } = aborted(await copyBetween(all, ...segments), sense.THIRD_PARTY_DEVICE_FAILURE)
      expect(forwarded(bytes)).toMatchObject({ side, segment: 1, status: 2 })
      expect(FixedSense.decode(forwarded(bytes).sense)).toMatchObject({ key: 3, asc })
      expect(fieldOf(bytes)).toEqual({ byte: cscdAt(which), bit: -1, inCdb: false })
      expect(all.map((u) => u.device.inflight)).toEqual([0, 0])
    }
  })

  test('INFORMATION has the blocks of the destination that are missing, once some are there', async () => {
    let writes = 0
    const all = await units([{ sizeBytes: 4 << 20 }, { sizeBytes: 4 << 20, handler: { write: () => (++writes > 2 ? Status.WR_ERR : Status.OK) } }])
    const { sense: bytes } = aborted(await copyBetween(all, { source: 0, destination: 1, blocks: 6144 }), sense.THIRD_PARTY_DEVICE_FAILURE)
    expect(informationOf(bytes)).toBe(2048)
  })

  test('in descriptor format the same', async () => {
    const all = await units([{}, { handler: { write: () => Status.WR_ERR } }])
    all[0].device.modes.dSense = true
    const { sense: bytes } = aborted(await copyBetween(all, { source: 0, destination: 1, blocks: 1 }), sense.THIRD_PARTY_DEVICE_FAILURE)
    expect(Buffer.from(bytes).toString('hex', 0, 44)).toBe(
      '720a0d010000002a' + // header
      '02060000800030' + '00' + // CSCD descriptor 1 begins at byte 48
      '010a000000000000' + '00000000' + // segment 0
      '0c14' + '0202' + '700003000000000a00000000', // destination, CHECK CONDITION, its sense data
    )
  })
})

describe('access', () => {
  test('a unit that the nexus does not see is not reachable', async () => {
    const all = await units([{}, {}], (_nexus: Nexus, i) => i === 0)
    aborted(await copyBetween(all, { source: 0, destination: 1, blocks: 1 }), sense.COPY_TARGET_DEVICE_NOT_REACHABLE)
  })

  test('a write protected destination is told as itself, a write protected source can be read', async () => {
    const all = await units([{ readOnly: true }, {}])
    expectWriteProtected(await copyBetween(all, { source: 1, destination: 0, blocks: 1 }))
    expectGood(await copyBetween(all, { source: 0, destination: 1, blocks: 1 }))
    expectWriteProtected(await copyBetween([all[0]], { blocks: 1, destinationLba: 9 }))
  })

  test('no space left on the destination is told as itself', async () => {
    const all = await units([{}, { handler: { write: () => Status.SPACE_FAILED } }])
    expectCheck(await copyBetween(all, { source: 0, destination: 1, blocks: 1 }), senseKey.DATA_PROTECT, sense.SPACE_ALLOCATION_FAILED_WRITE_PROTECT)
  })

  test.each([['read', 0], ['write', 1]] as const)('a reservation that keeps the nexus from a %s fails the copy', async (access, side) => {
    const seen: string[] = []
    const extension = {
      answer: (task: { nexus: Nexus; row?: { access: string } }) => {
        seen.push(`${task.nexus.name} ${task.row?.access}`)
        return task.row?.access === access ? Status.RESERVATION_CONFLICT : undefined
      },
    }
    const all = await units([{}, { extension }])
    const { sense: bytes } = aborted(await copyBetween(all, { source: side === 0 ? 1 : 0, destination: side === 0 ? 0 : 1, blocks: 1 }), sense.THIRD_PARTY_DEVICE_FAILURE)
    expect(forwarded(bytes)).toMatchObject({ side: side === 0 ? 'source' : 'destination', status: 0x18 })
    expect(seen).toEqual([`copier ${access}`])
    expect(all[1].memory.every((b) => b === 0)).toBe(true)
  })

  test('a unit attention that waits for the nexus there stays for it', async () => {
    const all = await units([{}, {}])
    all[1].device.attention(Status.MODE_CHANGED)
    expectGood(await copyBetween(all, { source: 0, destination: 1, blocks: 1 }))
    expect((await all[1].initiator.testUnitReady()).asc).toBe(0x2a01)
  })

  test('a stopped or formatting unit fails the copy', async () => {
    const all = await units([{}, {}])
    all[1].device.stopped = true
    expect(forwarded(aborted(await copyBetween(all, { source: 0, destination: 1, blocks: 1 }), sense.THIRD_PARTY_DEVICE_FAILURE).sense)).toMatchObject({ status: 2 })
    all[1].device.stopped = false
    const hold = all[1].device.operations.begin({ status: Status.SANITIZE_IN_PROGRESS, total: 1, failed: { state: 'unsanitized', status: Status.SANITIZE_FAILED }, work: () => new Promise((r) => setTimeout(() => r(Status.OK), 20)) })
    aborted(await copyBetween(all, { source: 1, destination: 0, blocks: 1 }), sense.THIRD_PARTY_DEVICE_FAILURE)
    await hold
    expectGood(await copyBetween(all, { source: 1, destination: 0, blocks: 1 }))
  })

  test('a unit without the ability, as one whose handler owns its commands, is not reachable', async () => {
    const all = await units([{}, { handler: { open: undefined } as never }])
    Object.assign(all[1].device.abilities, { extendedCopy: 'none' })
    aborted(await copyBetween(all, { source: 0, destination: 1, blocks: 1 }), sense.COPY_TARGET_DEVICE_NOT_REACHABLE)
  })
})

test('a segment longer than may be is refused before any is copied', async () => {
  const [unit] = await units([{ blockSize: 4096, sizeBytes: 64 << 20 }])
  unit.memory.set(pattern(8))
  const refused = expectInvalidParameter(await copyBetween([unit], { destinationLba: 100, blocks: 1 }, { destinationLba: 5000, blocks: 4097 }))
  expect(fieldOf(refused.sense)).toEqual({ byte: cscdAt(1) + 28 + 10, bit: -1, inCdb: false })
  expect(unit.memory.subarray(100 * 4096, 101 * 4096).every((b) => b === 0)).toBe(true)
  expectGood(await copyBetween([unit], { destinationLba: 5000, blocks: 4096 }))
})

describe('ranges are held', () => {
  test('writes to source and destination wait, reads and writes beside them do not', async () => {
    const gate = gated('read')
    const all = await units([{ handler: gate.handler }, {}])
    all[0].memory.set(pattern(4))
    const copied = copyBetween(all, { source: 0, destination: 1, blocks: 4 })
    await gate.begun()
    const order: string[] = []
    const late = [
      all[0].initiator.write(2, pattern(1, 99)).then(() => order.push('source')), all[1].initiator.write(2, pattern(1, 98)).then(() => order.push('destination')),
    ]
    expectGood(await all[0].initiator.write(4, pattern(1)))
    expectGood(await all[1].initiator.write(4, pattern(1)))
    expectGood(await all[1].initiator.read({ lba: 0, blocks: 4 }))
    expect(order).toEqual([])
    gate.open()
    expectGood(await copied)
    await Promise.all(late)
    expect(blocksOf(all[1].memory, 0, 4)).toEqual(Buffer.concat([pattern(2), pattern(1, 98), pattern(1, 4)]))
    expect(blocksOf(all[0].memory, 2)).toEqual(pattern(1, 99))
  })

  test('copies of one source run side by side', async () => {
    const gate = gated('read')
    const all = await units([{ handler: gate.handler }, {}, {}])
    const both = [copyBetween([all[0], all[1]], { source: 0, destination: 1, blocks: 4 }), copyBetween([all[0], all[2]], { source: 0, destination: 1, blocks: 4 })]
    while (gate.waiting.length < 2) await new Promise((r) => setImmediate(r))
    gate.open()
    for (const answer of await Promise.all(both)) expectGood(answer)
  })

  test('a storm of copies both ways, compare and writes and unmaps ends', async () => {
    const slow = { read: async (ram: Uint8Array, io: { offset: number; length: number; data: { set(b: Uint8Array): void } }) => {
      await new Promise((r) => setImmediate(r))
      io.data.set(ram.subarray(io.offset, io.offset + io.length))
    } }
    const all = await units([{ handler: slow as never }, { handler: slow as never }, { handler: slow as never }])
    const random = (n: number) => Math.floor(Math.random() * n)
    const one = (): Promise<ScsiAnswer> => {
      const [a, b] = [random(3), random(3)]
      const kind = random(6)
      if (kind === 0) return all[a].initiator.unmap([{ lba: random(40), blocks: 8 }])
      if (kind === 1) return all[a].initiator.compareAndWrite(random(40), zeroes(2))
      if (kind === 2) return all[a].initiator.write(random(40), pattern(4))
      return copyBetween(all, { source: a, destination: b, sourceLba: random(40), destinationLba: random(40), blocks: 1 + random(20) }, { source: b, destination: a, sourceLba: random(40), destinationLba: random(40), blocks: 1 + random(20) })
    }
    for (let round = 0; round < 15; round++) {
      for (const { status } of await Promise.all(Array.from({ length: 40 }, one))) expect([0, 2]).toContain(status)
    }
    expect(all.map((u) => u.device.inflight)).toEqual([0, 0, 0])
  })

  test.each([['the unit that was asked', 0], ['the unit that is copied to', 1]])('aborting what runs on %s ends the copy, and nothing is held any more', async (_what, where) => {
    const gate = gated('write')
    const all = await units([{ sizeBytes: 4 << 20 }, { sizeBytes: 4 << 20, handler: gate.handler }])
    const answer = copyBetween(all, { source: 0, destination: 1, blocks: 8000 })
    await gate.begun()
    const done = all[where].device.abort(() => true)
    gate.open()
    await done
    if (where === 0) expect((await answer).status).toBe(0x40)
    else expect(forwarded(aborted(await answer, sense.THIRD_PARTY_DEVICE_FAILURE).sense)).toMatchObject({ side: 'destination', status: 0x40 })
    expectGood(await all[1].initiator.write(0, pattern(1)))
    expect(all.map((u) => u.device.inflight)).toEqual([0, 0])
  })
})

test('through a ring, where nobody says which units there are, the one that is asked copies within itself only', async () => {
  const [one, two] = await units([{ extension: { units: undefined } }, {}])
  const ring = attach(one.device)
  one.memory.set(pattern(4))
  const list = (to: string) => copyListLid1([cscd(one.serial), cscd(to)], [copySegment({ source: 0, destination: 1, destinationLba: 50, blocks: 4 })], { listIdUsage: 3 })
  const send = (bytes: Uint8Array) => ring.initiator.send(cdb.extendedCopyLid1({ listLength: bytes.length }), { dataOut: bytes })
  expectGood(await send(list(one.serial)))
  expect(blocksOf(one.memory, 50, 4)).toEqual(pattern(4))
  aborted(await send(list(two.serial)), sense.COPY_TARGET_DEVICE_NOT_REACHABLE)
  expectGood(await ring.initiator.send(cdb.formatUnit(), {}))
  expect(one.memory.every((b) => b === 0)).toBe(true)
  await ring.detach()
})
