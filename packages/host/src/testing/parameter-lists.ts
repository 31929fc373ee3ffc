import { layout, skip, u16be, u32be, u64be } from '../wire'

/** SBC-3 5.28.2 UNMAP parameter list, header and block descriptor. */
export const UnmapHeader = layout('unmap_header', { dataLength: u16be, descriptorLength: u16be, reserved: skip(4) }, { size: 8 })
export const UnmapDescriptor = layout('unmap_descriptor', { lba: u64be, blocks: u32be, reserved: skip(4) }, { size: 16 })

export function unmapList(ranges: readonly { lba: number; blocks: number }[]): Uint8Array {
  const descriptorLength = ranges.length * UnmapDescriptor.size
  const list = new Uint8Array(UnmapHeader.size + descriptorLength)
  UnmapHeader.encode({ dataLength: list.length - u16be.size, descriptorLength }, list)
  ranges.forEach(({ lba, blocks }, i) => UnmapDescriptor.encode({ lba, blocks }, list, UnmapHeader.size + i * UnmapDescriptor.size))
  return list
}
