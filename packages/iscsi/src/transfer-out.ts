import type { Channel } from './channel'
import { HEADROOM } from './buffers'
import { ProtocolError } from './errors'
import { DataOut, NO_TAG, Opcode, put32, ReadyToTransfer, RejectReason } from './pdu'
import type { IscsiTask } from './task'

const FINAL = 0x80
export type DataOutHeader = ReturnType<typeof DataOut.view>

const wrong = (what: string): ProtocolError => new ProtocolError(`Data-Out ${what}`, RejectReason.PROTOCOL)

/** Take in `length` bytes that belong at `offset` of the command's data; what is beyond `wanted` is dropped. */
export function receive(channel: Channel, task: IscsiTask, offset: number, length: number): void {
  const kept = Math.min(length, task.wanted - offset)
  if (kept > 0 && task.buffer) channel.framing.into(task.buffer.bytes, HEADROOM + offset, kept)
}

/**
 * Check a Data-Out header against what its command waits for and direct its data. With ErrorRecoveryLevel 0 and both
 * orders kept, anything out of place ends the connection; a DataSN out of order ends the command.
 */
export function dataOutHeader(channel: Channel, task: IscsiTask, h: DataOutHeader): void {
  const { dataLength, bufferOffset } = h
  // A PDU before this one was lost or changed: the rest is let pass, then the command ends (RFC 7143 7.9, 7.8 b).
  if (h.dataSn !== task.dataSn) task.broken = true
  if (task.broken) return
  if (h.ttt === NO_TAG) unsolicitedHeader(channel, task, bufferOffset, dataLength)
  else solicitedHeader(task, h.ttt, bufferOffset, dataLength, h.final === 1)
  receive(channel, task, bufferOffset, dataLength)
}

function unsolicitedHeader(channel: Channel, task: IscsiTask, offset: number, length: number): void {
  if (!task.unsolicited) throw wrong('is unsolicited, and none was announced')
  if (offset !== task.unsolicitedBytes) throw wrong(`is for offset ${offset} where ${task.unsolicitedBytes} comes next`)
  const most = Math.min(channel.parameters.FirstBurstLength, task.edtl)
  if (offset + length > most) throw wrong(`brings ${offset + length} unsolicited bytes, more than ${most}`)
}

function solicitedHeader(task: IscsiTask, tag: number, offset: number, length: number, final: boolean): void {
  if (task.r2tCount === 0 || tag !== task.r2tTags[0]) throw wrong(`has target transfer tag ${tag}, which is not that of the oldest R2T`)
  if (offset !== task.received) throw wrong(`is for offset ${offset} where ${task.received} comes next`)
  const end = task.r2tEnds[0]!
  if (offset + length > end) throw wrong(`goes to ${offset + length}, the R2T only to ${end}`)
  if (final !== (offset + length === end)) throw wrong(`ends its sequence at ${offset + length} instead of ${end}`)
}

/** The data of the Data-Out that `dataOutHeader` let through is there. */
export function dataOutDone(task: IscsiTask, h: DataOutHeader): void {
  task.dataSn++
  const final = h.final === 1
  if (task.broken) {
    if (final && h.ttt === NO_TAG) task.unsolicited = false
    else if (final && task.r2tCount > 0) nextSequence(task)
  } else if (h.ttt === NO_TAG) {
    task.unsolicitedBytes += h.dataLength
    task.received = Math.min(task.unsolicitedBytes, task.wanted)
    if (final) task.unsolicited = false
  } else {
    task.received += h.dataLength
    if (final) nextSequence(task)
  }
  if (final) task.dataSn = 0
}

function nextSequence(task: IscsiTask): void {
  task.r2tCount--
  task.r2tTags.copyWithin(0, 1)
  task.r2tEnds.copyWithin(0, 1)
}

/** Ask for what is still missing, with as many R2Ts at a time as were agreed. `tag` makes target transfer tags. */
export function solicit(channel: Channel, task: IscsiTask, tag: () => number): void {
  const { MaxBurstLength, MaxOutstandingR2T } = channel.parameters
  if (task.solicited < task.received) task.solicited = task.received
  while (task.r2tCount < MaxOutstandingR2T && task.solicited < task.wanted) {
    const n = Math.min(MaxBurstLength, task.wanted - task.solicited)
    const ttt = tag()
    task.r2tTags[task.r2tCount] = ttt
    task.r2tEnds[task.r2tCount++] = task.solicited + n
    readyToTransfer(channel, task, ttt, task.solicited, n)
    task.solicited += n
  }
}

function readyToTransfer(channel: Channel, task: IscsiTask, ttt: number, offset: number, length: number): void {
  const { outgoing } = channel
  const at = outgoing.begin(0)
  const b = outgoing.bytes
  const f = ReadyToTransfer.at
  b[at] = Opcode.R2T
  b[at + f.final] = FINAL
  put32(b, at + f.lunHigh, task.lunHigh)
  put32(b, at + f.lunLow, task.lunLow)
  put32(b, at + f.itt, task.itt)
  put32(b, at + f.ttt, ttt)
  // An R2T shows the next StatSN without using it up (RFC 7143 11.8.3).
  put32(b, at + f.statSn, channel.statSn)
  put32(b, at + f.r2tSn, task.r2tSn++)
  put32(b, at + f.bufferOffset, offset)
  put32(b, at + f.desiredLength, length)
  channel.windowAt(b, at)
  outgoing.end(at, 0)
}
