import { LbaStatusDescriptor, LbaStatusHeader, ProvisioningPage, VpdHeader } from '@tcmu/host/scsi'
import { cdb, expectGood, unmapList } from '@tcmu/host/testing'
import { BLOCK, blocksOf, type Disk, disk, fieldOf, pattern, zeroes } from './harness'

/** SBC-3 table 192. */
const provisioning = { full: 0, resource: 1, thin: 2 } as const
const anchored = 2

interface Watched extends Disk {
  /** Callbacks that had to do with storage. */
  readonly asked: string[]
}

async function thick(declare: { reserved?: boolean; unmappedReadsZero?: boolean; lacking?: readonly ['unmap'] }): Promise<Watched> {
  const asked: string[] = []
  const d: Disk = await disk({
    thick: true, declare, handler: {
      unmap: () => void asked.push('unmap'),
      extents: (_: unknown, { offset, length }: { offset: number; length: number }) => [{ offset, length, state: 'deallocated' }],
      writeSame: (memory: Uint8Array, io: { offset: number; length: number }) => { asked.push('writeSame'); memory.fill(0, io.offset, io.offset + io.length) },
    },
  })
  return { ...d, asked }
}
const page = async ({ initiator }: Disk) => ProvisioningPage.decode((await initiator.vpd(0xb2)).data, VpdHeader.size)
const unmap = (d: Disk, anchor: number) => {
  const list = unmapList([{ lba: 1, blocks: 2 }])
  return d.send(cdb.unmap({ listLength: list.length, anchor }), { dataOut: list })
}

test('a thick device whose storage is reserved is resource provisioned', async () => {
  const d = await thick({ reserved: true, unmappedReadsZero: false, lacking: ['unmap'] })
  expect(await page(d)).toMatchObject({ provisioningType: provisioning.resource, lbpu: 1, lbpws: 1, lbpws10: 1, lbprz: 1, ancSup: 1, thresholdExponent: 0 })
  const status = expectGood(await d.initiator.send(cdb.getLbaStatus({ lba: 5, allocation: 24 }), { dataIn: 24 })).data
  expect(LbaStatusDescriptor.decode(status, LbaStatusHeader.size)).toMatchObject({ lba: 5, provisioning: anchored })
})

test.each([0, 1])('what is unmapped there, with ANCHOR=%d, is zeroed, and the handler is not told to give storage back', async (anchor) => {
  const d = await thick({ reserved: true })
  d.memory.set(pattern(4), 0)
  expect((await unmap(d, anchor)).status).toBe(0)
  expect(blocksOf(d.memory, 0, 4)).toEqual(Buffer.concat([pattern(1), zeroes(2), pattern(1, 4)]))
  expect((await d.send(cdb.writeSame16({ lba: 0, blocks: 1, unmap: 1, anchor }), { dataOut: new Uint8Array(BLOCK) })).status).toBe(0)
  expect(blocksOf(d.memory, 0)).toEqual(zeroes())
  expect(d.asked).toEqual(['writeSame', 'writeSame'])
})

test('without a writeSame of the handler zeroes are written', async () => {
  const d = await disk({ thick: true, declare: { reserved: true } })
  d.memory.set(pattern(4), 0)
  expect((await unmap(d, 1)).status).toBe(0)
  expect(blocksOf(d.memory, 0, 4)).toEqual(Buffer.concat([pattern(1), zeroes(2), pattern(1, 4)]))
})

test('ANCHOR goes with UNMAP only', async () => {
  const d = await thick({ reserved: true })
  const r = await d.send(cdb.writeSame16({ lba: 0, blocks: 1, anchor: 1 }), { dataOut: new Uint8Array(BLOCK) })
  expect([r.key, r.asc, fieldOf(r.sense)]).toEqual([5, 0x2400, { byte: 1, bit: 4, inCdb: true }])
})

test('a thick device whose storage is not known to be reserved is fully provisioned', async () => {
  const d = await thick({})
  expect(await page(d)).toMatchObject({ provisioningType: provisioning.full, lbpu: 0, ancSup: 0 })
  expect(await unmap(d, 0)).toMatchObject({ key: 5, asc: 0x2000 })
})

test('a thin device anchors nothing, whatever its handler says of its storage', async () => {
  const d = await disk({ declare: { reserved: true } })
  expect(await page(d)).toMatchObject({ provisioningType: provisioning.thin, ancSup: 0 })
  const r = await unmap(d, 1)
  expect([r.key, r.asc, fieldOf(r.sense)]).toEqual([5, 0x2400, { byte: 1, bit: 0, inCdb: true }])
})
