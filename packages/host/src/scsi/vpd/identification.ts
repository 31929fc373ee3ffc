import { ascii, bits, bytes, layout, skip, u16be, u8 } from '../../wire'
import type { VpdPage } from './page'

/** Printable ASCII of at most `size` characters, as SPC-4 4.4.1 demands of ASCII fields. */
export const printable = (text: string, size: number): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, size)

/** VPD 80h (SPC-4 7.8.15). */
export const unitSerialNumber: VpdPage = Object.freeze<VpdPage>({
  code: 0x80, name: 'Unit Serial Number', body: (lun) => Buffer.from(printable(lun.identity.serial, 252), 'latin1'),
})

/** SPC-4 7.8.6.1 designation descriptor, header. */
const DesignatorHeader = layout('designation_descriptor', {
  first: bits(u8, { protocol: [7, 4], codeSet: [3, 0] }),
  second: bits(u8, { piv: 7, association: [5, 4], type: [3, 0] }),
  reserved: skip(1),
  length: u8,
}, { size: 4 })

export const codeSet = { BINARY: 1, ASCII: 2, UTF8: 3 } as const
export const association = { LOGICAL_UNIT: 0, TARGET_PORT: 1, TARGET_DEVICE: 2 } as const
export const designatorType = {
  VENDOR_SPECIFIC: 0, T10_VENDOR_ID: 1, EUI_64: 2, NAA: 3, RELATIVE_TARGET_PORT: 4, TARGET_PORT_GROUP: 5, SCSI_NAME_STRING: 8,
} as const
/** SPC-4 7.6.1 protocol identifier. */
export const protocol = { FCP: 0, SAS: 6, ISCSI: 5 } as const

export interface Designator {
  readonly codeSet: number
  readonly type: number
  readonly association?: number
  /** Set for target ports and devices: which transport names them. */
  readonly protocol?: number
  /** At most 255 bytes. */
  readonly value: Uint8Array
}

/** A designation descriptor of VPD 83h. Throws a RangeError when the value is too long. */
export function encodeDesignator(d: Designator): Uint8Array {
  const out = new Uint8Array(DesignatorHeader.size + d.value.length)
  DesignatorHeader.encode({
    codeSet: d.codeSet, type: d.type, association: d.association ?? 0, piv: d.protocol !== undefined, protocol: d.protocol ?? 0,
    length: d.value.length,
  }, out)
  out.set(d.value, DesignatorHeader.size)
  return out
}

const Port = layout('port_number', { reserved: skip(2), number: u16be }, { size: 4 })
/** SPC-4 7.8.6.8 and 7.8.6.9: relative target port, target port group. */
export const portNumber = (type: 4 | 5, number: number, protocolIdentifier: number): Designator => ({
  codeSet: codeSet.BINARY, type, association: association.TARGET_PORT, protocol: protocolIdentifier, value: Port.encode({ number }),
})
/** The number in a designator made by `portNumber`. */
export const portNumberOf = (d: Designator): number => Port.decode(d.value).number
/** SPC-4 7.8.6.11: UTF-8, NUL terminated and padded to a multiple of 4; cut to 255 bytes. */
export function nameString(name: string, of: 1 | 2, protocolIdentifier: number): Designator {
  const text = Buffer.from(name, 'utf8').subarray(0, 251)
  const value = Buffer.alloc((text.length & ~3) + 4)
  text.copy(value)
  return { codeSet: codeSet.UTF8, type: designatorType.SCSI_NAME_STRING, association: of, protocol: protocolIdentifier, value }
}

const Vendor = layout('t10_vendor_id', { vendor: ascii(8) }, { size: 8 })
const Naa6 = layout('naa_6', {
  first: bits(u8, { naa: [7, 4], high: [3, 0] }), middle: u16be, low: bits(u8, { low: [7, 4], digit: [3, 0] }), digits: bytes(12),
}, { size: 16 })
/** IEEE company identifier of LIO's volumes; 24 bits split over the fields of an NAA 6 designator. */
const LIO_COMPANY = { high: 0x0, middle: 0x0140, low: 0x5 }

/**
 * The NAA 6 designator that the kernel derives from a serial number: its hexadecimal digits in order, whatever else is
 * in it left out, 25 of them or as many as there are (target_core_spc.c, so that a disk keeps its identity).
 */
export function naaOf(serial: string): Uint8Array {
  const digits = serial.replace(/[^0-9a-fA-F]/g, '').slice(0, 25).padEnd(25, '0')
  return Naa6.encode({ naa: 6, ...LIO_COMPANY, digit: parseInt(digits[0], 16), digits: Buffer.from(digits.slice(1), 'hex') })
}

/** VPD 83h: the unit, then what the port that the command came through adds (SPC-4 7.8.6). */
export const deviceIdentification: VpdPage = Object.freeze<VpdPage>({
  code: 0x83,
  name: 'Device Identification',
  body: (lun, task) => {
    const { vendor, serial } = lun.identity
    const t10 = Buffer.concat([Vendor.encode({ vendor: printable(vendor, 8) }), Buffer.from(printable(serial, 247), 'latin1')])
    return Buffer.concat([
      encodeDesignator({ codeSet: codeSet.ASCII, type: designatorType.T10_VENDOR_ID, value: t10 }),
      encodeDesignator({ codeSet: codeSet.BINARY, type: designatorType.NAA, value: naaOf(serial) }),
      ...(lun.port?.(task.nexus).designators ?? []).map(encodeDesignator),
    ])
  },
})
