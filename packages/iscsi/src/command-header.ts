import { Direction } from '@tcmu/host/scsi'
import { readAdditional } from './ahs'
import type { Channel } from './channel'
import { ProtocolError } from './errors'
import { CDB_IN_HEADER, RejectReason, ScsiCommand } from './pdu'
import { type IscsiTask, Phase } from './task'

export type CommandHeader = ReturnType<typeof ScsiCommand.view>

/** Begin a task with what the header of a SCSI Command PDU and its additional segments say (RFC 7143 11.3). Throws ProtocolError. */
export function readCommand({ framing, parameters }: Channel, task: IscsiTask, h: CommandHeader): void {
  task.begin()
  task.phase = Phase.COLLECTING
  task.itt = h.itt
  task.cmdSn = h.cmdSn
  task.immediate = h.immediate === 1
  task.lunHigh = h.lunHigh
  task.lunLow = h.lunLow
  task.edtl = h.expectedLength
  const { cdb } = task
  const at = ScsiCommand.at.cdb
  for (let i = 0; i < CDB_IN_HEADER; i++) cdb[i] = framing.header[at + i]!
  task.cdbLength = CDB_IN_HEADER
  const bidirectional = framing.ahsLength > 0 && readAdditional(framing.header, framing.ahsLength, task)
  task.bidirectional = bidirectional || (h.read === 1 && h.write === 1)
  task.direction = h.write ? Direction.OUT : h.read ? Direction.IN : Direction.NONE
  if (task.direction === Direction.NONE) task.edtl = 0
  task.unsolicited = h.final === 0
  if (task.unsolicited && (!task.out || parameters.InitialR2T)) throw new ProtocolError('a command announces unsolicited data that was not agreed', RejectReason.PROTOCOL)
}
