import { LbaStatusDescriptor, LbaStatusHeader, type Extent } from '@tcmu/host/scsi'
import { cdb, expectGood, expectLbaOutOfRange, nullHandler, initiatorOf, testDevice } from '@tcmu/host/testing'
import { BLOCK, BLOCKS, type Disk, disk } from './harness'

type State = Extent['state']
const part = (from: number, to: number, state: State): Extent => ({ offset: from * BLOCK, length: (to - from) * BLOCK, state })
const mapped = 0
const deallocated = 1

async function runs(d: Pick<Disk, 'initiator'>, lba: number, descriptors: number): Promise<[number, number, number][]> {
  const allocation = 8 + 16 * descriptors
  const { data } = expectGood(await d.initiator.send(cdb.getLbaStatus({ lba, allocation }), { dataIn: allocation }))
  expect(LbaStatusHeader.decode(data).length).toBe(data.length - 4)
  return Array.from({ length: (data.length - 8) / 16 }, (_, i) => {
    const r = LbaStatusDescriptor.decode(data, 8 + 16 * i)
    return [r.lba, r.blocks, r.provisioning]
  })
}
const withParts = (parts: readonly Extent[]) => disk({ handler: { extents: () => parts } })

test('tells the runs from the LBA on, as many as there is room for', async () => {
  const d = await withParts([part(0, 10, 'mapped'), part(10, 30, 'deallocated'), part(30, 40, 'anchored'), part(40, BLOCKS, 'deallocated')])
  expect(await runs(d, 0, 8)).toEqual([[0, 10, mapped], [10, 20, deallocated], [30, 10, 2], [40, BLOCKS - 40, deallocated]])
  expect(await runs(d, 15, 8)).toEqual([[15, 15, deallocated], [30, 10, 2], [40, BLOCKS - 40, deallocated]])
  expect(await runs(d, 0, 2)).toEqual([[0, 10, mapped], [10, 20, deallocated]])
  expect(await runs(d, BLOCKS - 1, 8)).toEqual([[BLOCKS - 1, 1, deallocated]])
})

test('what the handler leaves out, or has only a part of, is mapped', async () => {
  const d = await withParts([{ offset: 100, length: 5 * BLOCK, state: 'deallocated' }, part(20, 21, 'deallocated')])
  expect(await runs(d, 0, 8)).toEqual([[0, 1, mapped], [1, 4, deallocated], [5, 15, mapped], [20, 1, deallocated], [21, BLOCKS - 21, mapped]])
  expect(await runs(await withParts([]), 3, 1)).toEqual([[3, BLOCKS - 3, mapped]])
})

test('no room gives a header at most', async () => {
  const { send } = await withParts([])
  for (const allocation of [0, 4, 8, 23]) {
    const r = await send(cdb.getLbaStatus({ lba: 0, allocation }), { dataIn: allocation })
    expect([r.status, r.data.length]).toEqual([0, Math.min(24, allocation)])
  }
})

test('a huge unit is asked about in windows, not for ever', async () => {
  const asked: number[] = []
  const extents = (_s: unknown, r: { offset: number; length: number }): Extent[] => {
    asked.push(r.length)
    return [{ ...r, state: 'deallocated' }]
  }
  const initiator = initiatorOf(await testDevice({ ...nullHandler, extents }, { sizeBytes: 2 ** 50 }))
  const found = await runs({ initiator }, 0, 100)
  expect(asked.length).toBeLessThanOrEqual(64)
  expect(found).toEqual([[0, asked.reduce((a, b) => a + b, 0) / BLOCK, deallocated]])
})

test('beyond the last block is out of range; without extents there is no such service action', async () => {
  const { initiator } = await withParts([])
  expectLbaOutOfRange(await initiator.send(cdb.getLbaStatus({ lba: BLOCKS }), { dataIn: 24 }))
  const none = await (await disk()).initiator.send(cdb.getLbaStatus(), { dataIn: 24 })
  expect([none.key, none.asc]).toEqual([5, 0x2400])
})
