import { cdb, layout, op, read10, read12, read6, readCapacity10, skip, bits, u24be, u32be, u8, Status, verify10 } from '@tcmu/host/scsi'
import { ReadFormatCapacities } from '../cdb'
import { BLOCK } from '../medium'
import { answering, borrowed, mmc, type MmcRow } from '../row'

/** The host's rows ask for blocks of the device; a disc has its own. */
const transfer = (c: { blocks: number }): number => c.blocks * BLOCK
const BYTCHK_RANGE = 1
const BYTCHK_BLOCK = 3
const SIX_BYTE_MOST = 256

/** MMC-6 6.24.3: capacity list header and current capacity descriptor. */
export const FormatCapacities = layout('read_format_capacities_data', {
  reserved: skip(3), length: u8, blocks: u32be, type: bits(u8, { descriptorType: [1, 0] }), blockLength: u24be,
}, { size: 12 })
const HEADER_SIZE = 4
/** MMC-6 table 467 */
const FORMATTED = 2
const NO_MEDIA = 3

/** MMC-6 6.24; answered without a disc too. */
export const readFormatCapacities = mmc({
  op: 0x23, name: 'READ FORMAT CAPACITIES', cdb: ReadFormatCapacities, ...answering,
  run: ({ medium, blocks }, task, c) => {
    const data = { length: FormatCapacities.size - HEADER_SIZE, blocks, descriptorType: medium ? FORMATTED : NO_MEDIA, blockLength: BLOCK }
    return task.respond(FormatCapacities.encode(data), c.allocation)
  },
})

/** Nothing is cached. */
const synchronizeCache = mmc({ op: op.SYNCHRONIZE_CACHE_10, name: 'SYNCHRONIZE CACHE(10)', cdb: cdb.Cache10, dataDirection: 'none', medium: true, run: () => Status.OK })

export const accessCommands: readonly MmcRow[] = [
  borrowed(read10, { medium: true, transfer }),
  borrowed(read12, { medium: true, transfer }),
  borrowed(read6, { medium: true, transfer: (c: { blocks: number }) => (c.blocks || SIX_BYTE_MOST) * BLOCK }),
  borrowed(verify10, {
    medium: true,
    transfer: (c: { bytchk: number; blocks: number }) => (c.bytchk === BYTCHK_RANGE ? transfer(c) : c.bytchk === BYTCHK_BLOCK && c.blocks > 0 ? BLOCK : 0),
  }),
  borrowed(readCapacity10, { medium: true }),
  readFormatCapacities,
  synchronizeCache,
]
