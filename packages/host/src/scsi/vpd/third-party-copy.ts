import { layout, skip, u16be, u32be, u8 } from '../../wire'
import { descriptorType, THIS_UNIT } from '../copy/layouts'
import { copyLimits } from '../copy/limits'
import type { Lun } from '../lun'
import { op } from '../opcodes'
import type { VpdPage } from './page'

/** SPC-4 7.8.17.3 */
const Head = layout('third_party_copy_descriptor', { type: u16be, length: u16be }, { size: 4 })
/** SPC-4 7.8.17.5 */
const ParameterData = layout('third_party_copy_parameter_data', {
  reserved: skip(4), maxCscd: u16be, maxSegments: u16be, maxDescriptorList: u32be, maxInline: u32be, reserved2: skip(12),
}, { size: 28 })
/** SPC-4 7.8.17.10 */
const GeneralCopy = layout('general_copy_operations', {
  totalCopies: u32be, maxIdentified: u32be, maxSegmentLength: u32be, dataGranularity: u8, inlineGranularity: u8, reserved: skip(18),
}, { size: 32 })
const CscdIds = layout('supported_cscd_ids', { length: u16be, id: u16be }, { size: 4 })

/** SPC-4 table 641 */
export const copyDescriptor = {
  SUPPORTED_COMMANDS: 0x0001, PARAMETER_DATA: 0x0004, SUPPORTED_DESCRIPTORS: 0x0008, SUPPORTED_CSCD_IDS: 0x000c, GENERAL_COPY: 0x8001,
} as const

/** A descriptor, padded to a multiple of four bytes. */
function descriptor(type: number, body: Uint8Array): Uint8Array {
  const length = Math.ceil(body.length / 4) * 4
  const out = new Uint8Array(Head.size + length)
  Head.encode({ type, length }, out)
  out.set(body, Head.size)
  return out
}
const counted = (list: Uint8Array): Uint8Array => Uint8Array.of(list.length, ...list)

/** Operation codes and their service actions, as the unit's table has them (SPC-4 7.8.17.4). */
function supportedCommands(lun: Lun): Uint8Array {
  const codes = [op.THIRD_PARTY_COPY_OUT, op.THIRD_PARTY_COPY_IN].flatMap((code) => {
    const actions = lun.commands.rows.filter((row) => row.op === code).map((row) => row.sa ?? 0).sort((a, b) => a - b)
    return actions.length ? [code, actions.length, ...actions] : []
  })
  return counted(Uint8Array.from(codes))
}

/** VPD 8Fh (SPC-4 7.8.17), without the descriptors of ROD tokens and of held data, which there are none of. */
export const thirdPartyCopy: VpdPage = Object.freeze<VpdPage>({
  code: 0x8f,
  name: 'Third-party Copy',
  when: (lun) => lun.abilities.extendedCopy !== 'none',
  body: (lun) => Buffer.concat([
    descriptor(copyDescriptor.SUPPORTED_COMMANDS, supportedCommands(lun)),
    descriptor(copyDescriptor.PARAMETER_DATA, ParameterData.encode({
      maxCscd: copyLimits.cscd, maxSegments: copyLimits.segments, maxDescriptorList: copyLimits.descriptorBytes,
    })),
    descriptor(copyDescriptor.SUPPORTED_DESCRIPTORS, counted(Uint8Array.of(descriptorType.BLOCK_TO_BLOCK, descriptorType.IDENTIFICATION))),
    descriptor(copyDescriptor.SUPPORTED_CSCD_IDS, CscdIds.encode({ length: u16be.size, id: THIS_UNIT })),
    descriptor(copyDescriptor.GENERAL_COPY, GeneralCopy.encode({
      totalCopies: copyLimits.concurrent, maxIdentified: copyLimits.concurrent, maxSegmentLength: copyLimits.segmentBytes,
      dataGranularity: copyLimits.granularity,
    })),
  ]),
})
