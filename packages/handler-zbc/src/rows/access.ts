import {
  andThen, command, type CommandRow, invalidField, type Lun, refuseTransfer, type Result, Status, type Task, read10, read12, read16, read6, verify10, verify12,
  verify16, write10, write12, write16, write6, writeAndVerify10, writeAndVerify12, writeAndVerify16, writeSame10, writeSame16, noDataOut, type AfterMove,
} from '@tcmu/host/scsi'
import { refuseRead, refuseWrite } from '../rules'
import type { ZonedUnit } from '../unit'

type Run = CommandRow['run']

/** A borrowed row whose range is first held against the rules of reading. */
const reading = (unit: ZonedUnit, row: CommandRow): CommandRow => command({
  ...row,
  run: (lun, task, c) => {
    const { table } = unit.image
    const refused = task.blocks === 0 ? undefined : refuseRead(table, task.lba, task.lba + task.blocks)
    if (refused === undefined) return row.run(lun, task, c)
    table.statistics.readFailures++
    return refused
  },
})

/** INFORMATION of UNALIGNED WRITE: the LBA that was wrong. */
const told = (task: Task, status: Result): Result => {
  if (status === Status.UNALIGNED_WRITE || status === Status.WRITE_BOUNDARY) task.detail = { information: task.lba }
  return status
}

/** On the medium before it is answered, as FUA and a switched off write cache ask for. */
const durably = (unit: ZonedUnit, lun: Lun, fua: boolean, written: Result): Result =>
  (fua || !lun.writeCache ? andThen(written, () => unit.medium.flush()) : written)

/** SBC-4 5.44: no data, and the first zone opens all the same. */
function openAlone(unit: ZonedUnit, task: Task): Status {
  const { table } = unit.image
  if (task.lba >= table.capacity) return Status.OK
  const zone = table.at(task.lba)
  if (task.lba !== zone.wp || table.step(zone, 'WRITE').refuse !== undefined) return Status.OK
  const refused = refuseWrite(table, task.lba, task.lba)
  if (refused === undefined) table.openForWrite(zone)
  return refused ?? Status.OK
}

const writing = (unit: ZonedUnit, row: CommandRow): CommandRow => command({
  ...row,
  run: (lun, task, c) => {
    // WRITE(6) has neither.
    const { protect = 0, fua = 0 } = c as unknown as { protect?: number; fua?: number }
    const refused = refuseTransfer(lun, task, protect)
    if (refused !== undefined) return refused
    if (noDataOut(task)) return Status.INVALID_CDB
    task.transferLength = task.length
    if (task.blocks === 0) return openAlone(unit, task)
    if (task.data.length < task.length) return Status.INVALID_CDB
    if (task.data.length > task.length) return whole(unit, lun, task, fua === 1)
    // What has to be on the medium is not over when it has been moved.
    const move = fua === 0 && lun.writeCache && lun.direct ? (after?: AfterMove) => lun.direct!.move(task, true, after) : undefined
    return told(task, durably(unit, lun, fua === 1, unit.writes.run(task.lba, task.lba + task.blocks, () => unit.medium.write(task), move)))
  },
})

/** More was sent than the range takes. */
function whole(unit: ZonedUnit, lun: Lun, task: Task, fua: boolean): Result {
  const { offset, length, signal } = task
  const io = { data: task.data.slice(0, length), offset, length, signal, fua: false }
  return told(task, durably(unit, lun, fua, unit.writes.run(task.lba, task.lba + task.blocks, () => unit.medium.write(io))))
}

/** A borrowed row that writes its range by means of the host; the pointer moves when all of it is written. */
const composed = (unit: ZonedUnit, row: CommandRow, refuse?: (task: Task, c: never) => Status | undefined): CommandRow => command({
  ...row,
  run: ((lun, task, c) => {
    const refused = refuse?.(task, c as never)
    if (refused !== undefined) return refused
    if (task.blocks === 0) return row.run(lun, task, c)
    return told(task, unit.writes.run(task.lba, task.lba + task.blocks, () => row.run(lun, task, c)))
  }) satisfies Run,
})

/** A write that was taken moves the pointer: what the borrowed row would refuse has to be refused before. */
function refuseSame(task: Task, c: { protect: number; anchor: number; unmap: number; relative: number; blocks: number; ndob?: number }): Status | undefined {
  for (const name of ['protect', 'anchor', 'unmap', 'relative'] as const) if (c[name]) return invalidField(task, name)
  if (c.blocks === 0) return invalidField(task, 'blocks')
  return undefined
}

/** READ, WRITE, VERIFY, WRITE SAME over zones: most frequent first. */
export const accessRows = (unit: ZonedUnit): CommandRow[] => [
  ...[read10, read16, read6, read12].map((row) => reading(unit, row)),
  ...[write10, write16, write6, write12].map((row) => writing(unit, row)),
  ...[verify10, verify12, verify16].map((row) => reading(unit, row)),
  ...[writeAndVerify10, writeAndVerify12, writeAndVerify16].map((row) => composed(unit, row)),
  ...[writeSame10, writeSame16].map((row) => composed(unit, row, refuseSame)),
]
