// RFC 7143 clause 11 from the initiator's side, written apart from the portal's own layouts so that each checks the other.
import { bits, bytes, layout, skip, u16be, u24be, u32be, u8 } from '../../../packages/host/src/wire'

export const BHS = 48
export const NO_TAG = 0xffffffff

export const request = { nop: 0x00, scsi: 0x01, tmf: 0x02, login: 0x03, text: 0x04, dataOut: 0x05, logout: 0x06 } as const
export const response = {
  nop: 0x20, scsi: 0x21, tmf: 0x22, login: 0x23, text: 0x24, dataIn: 0x25, logout: 0x26, r2t: 0x31, async: 0x32, reject: 0x3f,
} as const

const first = bits(u8, { immediate: 6, opcode: [5, 0] })

/** What every PDU has in the same place. */
export const Any = layout('bhs', { first, flags: u8, specific: skip(2), ahsLength: u8, dataLength: u24be, lun: bytes(8), itt: u32be, rest: skip(28) }, { size: BHS })

export const ScsiCommand = layout('scsi_command', {
  first, flags: bits(u8, { final: 7, read: 6, write: 5, attributes: [2, 0] }), r1: skip(2), ahsLength: u8, dataLength: u24be, lun: bytes(8),
  itt: u32be, expected: u32be, cmdSn: u32be, expStatSn: u32be, cdb: bytes(16),
}, { size: BHS })

export const ScsiResponse = layout('scsi_response', {
  first, flags: bits(u8, { overflow: 2, underflow: 1 }), response: u8, status: u8, ahsLength: u8, dataLength: u24be, r1: skip(8),
  itt: u32be, snack: u32be, statSn: u32be, expCmdSn: u32be, maxCmdSn: u32be, expDataSn: u32be, bidiResidual: u32be, residual: u32be,
}, { size: BHS })

export const DataIn = layout('data_in', {
  first, flags: bits(u8, { final: 7, acknowledge: 6, overflow: 2, underflow: 1, hasStatus: 0 }), r1: skip(1), status: u8, ahsLength: u8, dataLength: u24be,
  lun: bytes(8), itt: u32be, ttt: u32be, statSn: u32be, expCmdSn: u32be, maxCmdSn: u32be, dataSn: u32be, offset: u32be, residual: u32be,
}, { size: BHS })

export const DataOut = layout('data_out', {
  first, flags: bits(u8, { final: 7 }), r1: skip(2), ahsLength: u8, dataLength: u24be, lun: bytes(8),
  itt: u32be, ttt: u32be, r2: skip(4), expStatSn: u32be, r3: skip(4), dataSn: u32be, offset: u32be, r4: skip(4),
}, { size: BHS })

export const R2t = layout('r2t', {
  first, flags: u8, r1: skip(2), ahsLength: u8, dataLength: u24be, lun: bytes(8), itt: u32be, ttt: u32be, statSn: u32be, expCmdSn: u32be,
  maxCmdSn: u32be, r2tSn: u32be, offset: u32be, length: u32be,
}, { size: BHS })

export const TmfRequest = layout('tmf_request', {
  first, flags: bits(u8, { final: 7, task: [6, 0] }), r1: skip(2), ahsLength: u8, dataLength: u24be, lun: bytes(8), itt: u32be,
  referenced: u32be, cmdSn: u32be, expStatSn: u32be, refCmdSn: u32be, expDataSn: u32be, r2: skip(8),
}, { size: BHS })

/** TMF, NOP-In, logout, text and login responses agree on these. */
export const Response = layout('response', {
  first, flags: bits(u8, { final: 7, continues: 6, csg: [3, 2], nsg: [1, 0] }), code: u8, r1: skip(1), ahsLength: u8, dataLength: u24be,
  lun: bytes(8), itt: u32be, ttt: u32be, statSn: u32be, expCmdSn: u32be, maxCmdSn: u32be, r2: skip(12),
}, { size: BHS })

export const LoginRequest = layout('login_request', {
  first, flags: bits(u8, { transit: 7, continues: 6, csg: [3, 2], nsg: [1, 0] }), versionMax: u8, versionMin: u8, ahsLength: u8, dataLength: u24be,
  isid: bytes(6), tsih: u16be, itt: u32be, cid: u16be, r1: skip(2), cmdSn: u32be, expStatSn: u32be, r2: skip(16),
}, { size: BHS })

export const LoginResponse = layout('login_response', {
  first, flags: bits(u8, { transit: 7, continues: 6, csg: [3, 2], nsg: [1, 0] }), versionMax: u8, versionActive: u8, ahsLength: u8, dataLength: u24be,
  isid: bytes(6), tsih: u16be, itt: u32be, r1: skip(4), statSn: u32be, expCmdSn: u32be, maxCmdSn: u32be, statusClass: u8, statusDetail: u8, r2: skip(10),
}, { size: BHS })

/** Text, logout and NOP-Out requests agree on these. */
export const PlainRequest = layout('plain_request', {
  first, flags: bits(u8, { final: 7, reason: [6, 0] }), r1: skip(2), ahsLength: u8, dataLength: u24be, lun: bytes(8), itt: u32be, ttt: u32be,
  cmdSn: u32be, expStatSn: u32be, r2: skip(16),
}, { size: BHS })

export type Pairs = Readonly<Record<string, string>>
export const textOf = (pairs: Pairs): Buffer => Buffer.from(Object.entries(pairs).map(([k, v]) => `${k}=${v}\0`).join(''))

/** Keys may repeat (SendTargets), hence a list. */
export const pairsOf = (data: Buffer): [string, string][] =>
  data.toString('utf8').split('\0').filter(Boolean).map((p) => [p.slice(0, p.indexOf('=')), p.slice(p.indexOf('=') + 1)])

export const padded = (n: number): number => (n + 3) & ~3

/** A header and its data segment, padded; no digests. */
export function pdu(header: Uint8Array, data?: Uint8Array): Buffer {
  if (!data?.length) return Buffer.from(header)
  const all = Buffer.alloc(BHS + padded(data.length))
  all.set(header)
  all.set(data, BHS)
  return all
}
