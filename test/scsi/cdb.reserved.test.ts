import { blockCommands, type CommandRow, usageMap } from '@tcmu/host/scsi'
import { cdb, expectData, expectInvalidField, MemoryPortGroups } from '@tcmu/host/testing'
import { disk, fieldOf, zeroes } from './harness'

/** Bits of a row's CDB without a meaning, as REPORT SUPPORTED OPERATION CODES shows them. */
function reserved(row: CommandRow): [byte: number, bit: number][] {
  const map = usageMap(row)
  if (row.sa !== undefined) map[1]! |= 0x1f
  const bits: [number, number][] = []
  for (let byte = 1; byte < row.cdb.size; byte++) for (let bit = 0; bit < 8; bit++) if (!(map[byte]! & (1 << bit))) bits.push([byte, bit])
  return bits
}

test('there are reserved bits to try', () => {
  expect(blockCommands.flatMap(reserved).length).toBeGreaterThan(500)
})

test.each(blockCommands.map((row) => [row.name, row] as const))('%s: a strict unit refuses each reserved bit and points at it', async (_name, row) => {
  const d = await disk({ declare: { sanitize: true, maxAtomicBlocks: 8 }, handler: { extents: () => [], space: () => ({ used: 0, available: 0 }) } })
  d.device.usePortGroups(new MemoryPortGroups())
  for (const [byte, bit] of reserved(row)) {
    const bytes = new Uint8Array(row.cdb.size)
    bytes[0] = row.op
    if (row.sa !== undefined) bytes[1] = row.sa
    bytes[byte]! |= 1 << bit
    const answer = expectInvalidField(await d.initiator.send(bytes, {}))
    expect(fieldOf(answer.sense)).toEqual({ byte, bit, inCdb: true })
  }
})

test('other units ignore them', async () => {
  const d = await disk({ strictCdb: false })
  const bytes = cdb.read10({ lba: 0, blocks: 1 })
  bytes[1]! |= 0x07
  bytes[6] = 0x3f
  bytes[9] = 0xc0
  expectData(await d.initiator.send(bytes, { dataIn: 512 }), zeroes())
})
