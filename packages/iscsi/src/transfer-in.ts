import { sam } from '@tcmu/host/scsi'
import type { Channel } from './channel'
import { HEADROOM } from './buffers'
import { DataIn, NO_TAG, Opcode, put24, put32, ScsiResponse, SenseLength } from './pdu'
import type { IscsiTask } from './task'

const FINAL = 0x80
const OVERFLOW = 0x04
const UNDERFLOW = 0x02
const HAS_STATUS = 0x01
const WORD = ~3

/** Residual flags, the same bits in Data-In and SCSI Response (RFC 7143 11.4.5). */
function residualFlag(task: IscsiTask): number {
  if (task.expected === task.edtl && task.transferLength > task.edtl) return OVERFLOW
  return task.edtl > moved(task) ? UNDERFLOW : 0
}
function residualCount(task: IscsiTask): number {
  if (task.expected === task.edtl && task.transferLength > task.edtl) return task.transferLength - task.edtl
  return task.edtl - moved(task)
}
/** Bytes that went the way the initiator said. None when the command moves data the other way. */
function moved(task: IscsiTask): number {
  if (task.expected !== task.edtl) return 0
  return task.out ? Math.min(task.transferLength, task.edtl) : task.dataInLength
}

/** Answer a command that has ended: Data-In with phase-collapsed status when it is GOOD, else a SCSI Response. */
export function respond(channel: Channel, task: IscsiTask): void {
  const length = task.dataInLength
  if (length > 0 && task.buffer) {
    const collapsed = task.status === sam.GOOD
    const count = sendData(channel, task, length, collapsed)
    if (!collapsed) sendResponse(channel, task, count)
    channel.outgoing.release(task.buffer)
    task.buffer = undefined
  } else {
    sendResponse(channel, task, 0)
  }
}

/** All Data-In PDUs of a command; returns how many. */
function sendData(channel: Channel, task: IscsiTask, length: number, collapsed: boolean): number {
  const { outgoing } = channel
  const most = channel.parameters.MaxRecvDataSegmentLength & WORD
  const burst = channel.parameters.MaxBurstLength & WORD
  // Padding and digest of a PDU that others follow would overwrite their data.
  const inPlace = length <= Math.min(most, burst) || !outgoing.dataDigest
  const buffer = task.buffer!.bytes
  let dataSn = 0
  for (let sent = 0, inBurst = 0; sent < length; dataSn++) {
    const n = Math.min(most, length - sent, burst - inBurst)
    const last = sent + n === length
    inBurst = inBurst + n === burst ? 0 : inBurst + n
    const place = sent === 0 && inPlace
    const at = place ? HEADROOM - outgoing.headLength : outgoing.begin(0)
    const flags = (last || inBurst === 0 ? FINAL : 0) | (last && collapsed ? HAS_STATUS | residualFlag(task) : 0)
    dataHeader(channel, task, place ? buffer : outgoing.bytes, at, flags, n, sent, dataSn)
    if (place) outgoing.piece(buffer, at, n)
    else outgoing.split(at, buffer, HEADROOM + sent, n)
    sent += n
  }
  return dataSn
}

function dataHeader(channel: Channel, task: IscsiTask, b: Buffer, at: number, flags: number, length: number, offset: number, dataSn: number): void {
  b.fill(0, at, at + DataIn.size)
  const f = DataIn.at
  b[at] = Opcode.DATA_IN
  b[at + f.final] = flags
  put24(b, at + f.dataLength, length)
  put32(b, at + f.itt, task.itt)
  put32(b, at + f.ttt, NO_TAG)
  put32(b, at + f.dataSn, dataSn)
  put32(b, at + f.bufferOffset, offset)
  if (flags & HAS_STATUS) {
    b[at + f.status] = task.status
    put32(b, at + f.residual, residualCount(task))
    channel.statSnAt(b, at)
  }
  channel.windowAt(b, at)
}

/** Status, sense data and residual in a PDU of their own (RFC 7143 11.4). */
function sendResponse(channel: Channel, task: IscsiTask, dataIn: number): void {
  const { outgoing } = channel
  const data = task.senseLength > 0 ? SenseLength.size + task.senseLength : 0
  const at = outgoing.begin(data)
  const b = outgoing.bytes
  const f = ScsiResponse.at
  b[at] = Opcode.SCSI_RESPONSE
  b[at + f.final] = FINAL | residualFlag(task)
  b[at + f.status] = task.status
  put32(b, at + f.itt, task.itt)
  put32(b, at + f.expDataSn, dataIn)
  put32(b, at + f.residual, residualCount(task))
  channel.statSnAt(b, at)
  channel.windowAt(b, at)
  if (data > 0) {
    const body = at + outgoing.headLength
    SenseLength.encode({ length: task.senseLength }, b, body)
    b.set(task.sense.subarray(0, task.senseLength), body + SenseLength.size)
  }
  outgoing.end(at, data)
}

