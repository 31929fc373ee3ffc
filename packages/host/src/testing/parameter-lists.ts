import { BlockToBlock, Cscd, descriptorType, HeaderLid1, HeaderLid4, LID4_FORMAT, LID4_HEADER_CSCD, SegmentHead } from '../scsi/copy/layouts'
import { association, codeSet, designatorType, naaOf } from '../scsi/vpd/identification'
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

type Value<L extends { encode: (value: never) => Uint8Array }> = Parameters<L['encode']>[0]

/** CSCD descriptor of the unit with this serial number. */
export const cscd = (serial: string, fields: Value<typeof Cscd> = {}): Uint8Array => {
  const designator = naaOf(serial)
  return Cscd.encode({
    type: descriptorType.IDENTIFICATION, codeSet: codeSet.BINARY, association: association.LOGICAL_UNIT, designatorType: designatorType.NAA,
    designatorLength: designator.length, designator, ...fields,
  })
}

/** Segment descriptor, block device to block device. */
export const copySegment = (fields: Value<typeof BlockToBlock>): Uint8Array =>
  BlockToBlock.encode({ type: descriptorType.BLOCK_TO_BLOCK, length: BlockToBlock.size - SegmentHead.size, ...fields })

/** EXTENDED COPY(LID1) parameter list (SPC-4 6.5.2). */
export function copyListLid1(targets: readonly Uint8Array[], segments: readonly Uint8Array[], fields: Value<typeof HeaderLid1> = {}): Uint8Array {
  const [t, s] = [Buffer.concat(targets), Buffer.concat(segments)]
  return Buffer.concat([HeaderLid1.encode({ cscdLength: t.length, segmentLength: s.length, ...fields }), t, s])
}

/** EXTENDED COPY(LID4) parameter list (SPC-4 6.4.2). */
export function copyListLid4(targets: readonly Uint8Array[], segments: readonly Uint8Array[], fields: Value<typeof HeaderLid4> = {}): Uint8Array {
  const [t, s] = [Buffer.concat(targets), Buffer.concat(segments)]
  const head = HeaderLid4.encode({
    format: LID4_FORMAT, headerCscdLength: LID4_HEADER_CSCD.length, headerCscdType: LID4_HEADER_CSCD.type, cscdLength: t.length, segmentLength: s.length,
    ...fields,
  })
  return Buffer.concat([head, t, s])
}
