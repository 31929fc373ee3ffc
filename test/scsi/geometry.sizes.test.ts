import { Capacity10, Capacity16, LbaStatusDescriptor, Status } from '@tcmu/host/scsi'
import type { BlocksHandler } from '@tcmu/host/handler'
import {
  cdb, copyListLid1, copySegment, cscd, expectCheck, expectGood, expectInvalidOpcode, expectLbaOutOfRange, expectMiscompare, expectWriteProtected, initiatorOf, testDevice,
} from '@tcmu/host/testing'
import { sense, senseKey } from '@tcmu/host/scsi'
import { disk, fieldOf, informationOf } from './harness'

type Io = { offset: number; length: number; data: { set(b: Uint8Array): void; toBuffer(): Buffer; zero(): void } }
/** A disk as large as it says, of which only what was written is kept, in blocks of 4096 bytes. */
function sparse() {
  const kept = new Map<number, Buffer>()
  const handler = {
    subtype: 'sparse',
    open: (dev: { declare(p: object): void }) => dev.declare({ unmappedReadsZero: true, sanitize: true, maxAtomicBlocks: 8 }),
    read: (_s: unknown, io: Io) => {
      const out = Buffer.alloc(io.length)
      for (let at = 0; at < io.length; at += 512) kept.get(io.offset + at)?.copy(out, at)
      io.data.set(out)
    },
    write: (_s: unknown, io: Io) => {
      const data = io.data.toBuffer()
      for (let at = 0; at < io.length; at += 512) kept.set(io.offset + at, data.subarray(at, at + 512))
    },
    flush: () => {},
    unmap: (_s: unknown, { offset, length }: { offset: number; length: number }) => {
      for (const at of [...kept.keys()]) if (at >= offset && at < offset + length) kept.delete(at)
    },
    extents: (_s: unknown, { offset, length }: { offset: number; length: number }) => [{ offset, length, state: 'deallocated' as const }],
  }
  return { kept, handler: handler as unknown as BlocksHandler }
}

const TiB = 2 ** 40
describe.each([
  ['512, 2 TiB and one block', 512, 2 * TiB + 512], ['4096, 20 TiB', 4096, 20 * TiB], ['512, all of 2^53', 512, 2 ** 53 - 512], ['4096, all of 2^53', 4096, 2 ** 53 - 4096],
])('%s', (_what, blockSize, sizeBytes) => {
  const last = sizeBytes / blockSize - 1
  const open = async () => {
    const { kept, handler } = sparse()
    const device = await testDevice(handler, { blockSize, sizeBytes, serial: 'feed' })
    return { kept, device, initiator: initiatorOf(device) }
  }
  const blocks = (n: number, byte: number) => Buffer.alloc(n * blockSize, byte)

  test('capacity', async () => {
    const { initiator } = await open()
    expect(Capacity16.decode(expectGood(await initiator.readCapacity16()).data)).toMatchObject({ lastLba: last, blockLength: blockSize })
    expect(Capacity10.decode(expectGood(await initiator.readCapacity10()).data)).toEqual({ lastLba: Math.min(last, 0xffffffff), blockLength: blockSize })
  })

  test('the last block is there for every command, and the one after it is not', async () => {
    const { initiator, kept } = await open()
    const both = (lba: number) => [
      initiator.write(lba, blocks(1, 5)), initiator.read({ lba, blocks: 1 }), initiator.verify(lba, blocks(1, 5)),
      initiator.send(cdb.writeAtomic16({ lba, blocks: 1 }), { dataOut: blocks(1, 5) }), initiator.send(cdb.orWrite16({ lba, blocks: 1 }), { dataOut: blocks(1, 5) }),
      initiator.compareAndWrite(lba, blocks(2, 5)), initiator.send(cdb.preFetch16({ lba, blocks: 1 }), {}), initiator.send(cdb.getLbaStatus({ lba }), { dataIn: 24 }),
      initiator.synchronizeCache({ lba, blocks: 1 }), initiator.writeSame({ lba, blocks: 1 }, blocks(1, 0), { unmap: 1 }), initiator.unmap([{ lba, blocks: 1 }]),
      initiator.writeSame({ lba, blocks: 1 }, blocks(1, 6)),
    ]
    for (const answer of both(last)) expectGood(await answer)
    expect(Math.max(...kept.keys())).toBe(sizeBytes - 512)
    for (const answer of both(last + 1)) {
      const { sense: bytes } = expectLbaOutOfRange(await answer)
      expect(informationOf(bytes)).toBe(last + 1 < 2 ** 32 ? last + 1 : undefined)
      expect(fieldOf(bytes)).toBeDefined()
    }
    expectLbaOutOfRange(await initiator.write(last, blocks(2, 5)))
    expectLbaOutOfRange(await initiator.read({ lba: 2 ** 63, blocks: 1 }))
  })

  test('what differs at the end is found there', async () => {
    const { initiator } = await open()
    expectGood(await initiator.write(last - 1, blocks(2, 9)))
    const wrong = blocks(2, 9)
    wrong[blockSize + 7] = 1
    expect(informationOf(expectMiscompare(await initiator.verify(last - 1, wrong)).sense)).toBe(blockSize + 7)
    expect(informationOf(expectMiscompare(await initiator.compareAndWrite(last - 1, Buffer.concat([wrong, wrong]))).sense)).toBe(blockSize + 7)
  })

  test('GET LBA STATUS ends with the last block', async () => {
    const { initiator } = await open()
    const { data } = expectGood(await initiator.send(cdb.getLbaStatus({ lba: last - 9 }), { dataIn: 24 }))
    expect(LbaStatusDescriptor.decode(data, 8)).toEqual({ lba: last - 9, blocks: 10, provisioning: 1 })
  })

  test('EXTENDED COPY from the beginning to the end', async () => {
    const { initiator } = await open()
    expectGood(await initiator.write(0, blocks(4, 3)))
    const copied = (lba: number) => copyListLid1([cscd('feed')], [copySegment({ destinationLba: lba, blocks: 4 })], { listIdUsage: 3 })
    expectGood(await initiator.send(cdb.extendedCopyLid1({ listLength: 76 }), { dataOut: copied(last - 3) }))
    expect((await initiator.read({ lba: last - 3, blocks: 4 })).data.equals(blocks(4, 3))).toBe(true)
    expectCheck(await initiator.send(cdb.extendedCopyLid1({ listLength: 76 }), { dataOut: copied(last - 2) }), senseKey.COPY_ABORTED, sense.COPY_TARGET_DEVICE_NOT_REACHABLE)
  })
})

test('a thin disk of 2 TiB is formatted by unmapping it', async () => {
  const { kept, handler } = sparse()
  const device = await testDevice(handler, { sizeBytes: 2 * TiB })
  const initiator = initiatorOf(device)
  for (const lba of [0, 2 ** 31, 2 ** 32 - 1]) expectGood(await initiator.write(lba, Buffer.alloc(512, 1)))
  expectGood(await initiator.send(cdb.formatUnit(), {}))
  expect(kept.size).toBe(0)
})

test('every command that writes is refused on a write protected unit, and changes nothing', async () => {
  const { device, initiator, memory } = await disk({ readOnly: true, declare: { sanitize: true, maxAtomicBlocks: 8 } })
  const writing = device.commands.rows.filter((row) => row.access === 'write')
  expect(writing.map((row) => row.name)).toEqual(expect.arrayContaining([
    'FORMAT UNIT', 'SANITIZE (OVERWRITE)', 'SANITIZE (BLOCK ERASE)', 'WRITE ATOMIC(16)', 'ORWRITE(16)', 'UNMAP', 'WRITE SAME(16)', 'COMPARE AND WRITE', 'WRITE AND VERIFY(12)',
  ]))
  for (const row of writing) {
    const bytes = new Uint8Array(row.cdb.size)
    bytes.set([row.op, row.sa ?? 0])
    expectWriteProtected(await initiator.send(bytes, { dataOut: Buffer.alloc(512, 1) }))
  }
  expect(memory.every((b) => b === 0)).toBe(true)
})

test('and the same under software write protection', async () => {
  const { device, initiator } = await disk()
  device.modes.swp = true
  for (const bytes of [cdb.formatUnit(), cdb.writeSame16({ blocks: 1, ndob: 1 }), cdb.unmap()]) expectWriteProtected(await initiator.send(bytes, {}))
})

test.each([
  ['READ LONG(10)', Uint8Array.of(0x3e, 0, 0, 0, 0, 0, 0, 0, 0, 0)], ['WRITE LONG(10)', Uint8Array.of(0x3f, 0x40, 0, 0, 0, 0, 0, 0, 0, 0)],
  ['WRITE LONG(16)', Uint8Array.of(0x9f, 0x51, ...new Uint8Array(14))],
])('%s does not exist', async (_name, bytes) => {
  const { initiator } = await disk()
  expect(fieldOf(expectInvalidOpcode(await initiator.send(bytes, {})).sense)).toEqual({ byte: 0, bit: -1, inCdb: true })
})

test('nor does READ LONG(16), whose operation code does', async () => {
  const { initiator } = await disk()
  const refused = expectCheck(await initiator.send(Uint8Array.of(0x9e, 0x11, ...new Uint8Array(14)), {}), senseKey.ILLEGAL_REQUEST, sense.INVALID_FIELD_IN_CDB)
  expect(fieldOf(refused.sense)).toEqual({ byte: 1, bit: 4, inCdb: true })
})

test('thin provisioning: no space is told as such, and a handler near its end tells every nexus', async () => {
  let full = true
  let report: (event: 'space-low') => void = () => undefined
  const { handler } = sparse()
  const device = await testDevice({
    ...handler, open: (dev) => { report = (e) => dev.report(e) },
    write: () => (full ? Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })) : Status.OK),
  } as BlocksHandler)
  const [one, two] = [initiatorOf(device, { nexus: { name: 'one' } }), initiatorOf(device, { nexus: { name: 'two' } })]
  for (const answer of [one.write(0, Buffer.alloc(512)), one.writeSame({ lba: 0, blocks: 9 }, Buffer.alloc(512, 1)), one.compareAndWrite(0, Buffer.alloc(1024))]) {
    expectCheck(await answer, senseKey.DATA_PROTECT, sense.SPACE_ALLOCATION_FAILED_WRITE_PROTECT)
  }
  full = false
  report('space-low')
  for (const i of [one, two]) expectCheck(await i.testUnitReady(), senseKey.UNIT_ATTENTION, sense.THIN_PROVISIONING_SOFT_THRESHOLD_REACHED)
  expectGood(await one.testUnitReady())
})
