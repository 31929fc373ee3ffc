import { type CommandRow, command } from '../command-table'
import { Plain6, RequestSense, StartStopUnit } from '../cdb'
import type { Lun, Result } from '../lun'
import { andThen, flush } from '../medium'
import { op } from '../opcodes'
import { descriptorSense, fixedSense, sense, type SenseCode, senseKey } from '../sense'
import { Status, statusRow } from '../status'
import type { Task } from '../task'
import { invalidField } from './checks'

/** SPC-4 6.47. What keeps a unit from being ready is found out before any row runs. */
export const testUnitReady = command({
  op: op.TEST_UNIT_READY, name: 'TEST UNIT READY', cdb: Plain6, access: 'none', dataDirection: 'none',
  allowed: { reserved: true }, run: () => Status.OK,
})

/** The condition that a status stands for; NO SENSE when it is none. */
function conditionOf(status: Status | undefined): { key: number; code: SenseCode } {
  const found = status === undefined ? undefined : statusRow(status).sense
  return found && found !== 'task' ? found : { key: senseKey.NO_SENSE, code: sense.NO_ADDITIONAL_SENSE_INFORMATION }
}

/** SPC-4 6.39: a pending unit attention, else why the unit is not ready and how far it is, else nothing. */
function runRequestSense(lun: Lun, task: Task, c: { desc: number; allocation: number }): Result {
  const attention = lun.takeAttention(task.nexus)
  const { condition } = lun.operations
  const { key, code } = conditionOf(attention ?? condition?.status ?? (lun.stopped ? Status.STOPPED : undefined))
  const detail = attention === undefined && condition ? { progress: condition.progress } : {}
  return task.respond((c.desc ? descriptorSense : fixedSense)(key, code, detail), c.allocation)
}

export const requestSense = command({
  op: op.REQUEST_SENSE, name: 'REQUEST SENSE', cdb: RequestSense, access: 'none', dataDirection: 'in', transfer: (c) => c.allocation,
  allowed: { attention: true, formatting: true, unformatted: true, unsanitized: true, recovering: true, stopped: true, reserved: true }, run: runRequestSense,
})

type StartStop = { powerCondition: number; noFlush: number; loej: number; start: number }
/**
 * SBC-3 5.25. The medium is not removable, so it cannot be loaded or ejected. IMMED waits all the same: a flush that
 * fails after GOOD would be heard of by nobody.
 */
function runStartStop(lun: Lun, task: Task, c: StartStop): Result {
  if (c.powerCondition !== 0) return invalidField(task, 'powerCondition', 7)
  if (c.loej) return invalidField(task, 'loej', 1)
  if (c.start) {
    lun.stopped = false
    return Status.OK
  }
  return andThen(c.noFlush ? Status.OK : flush(lun, task), () => {
    lun.stopped = true
    return Status.OK
  })
}

export const startStopUnit = command({
  op: op.START_STOP_UNIT, name: 'START STOP UNIT', cdb: StartStopUnit, access: 'none', dataDirection: 'none',
  allowed: { stopped: true }, run: runStartStop,
})

export const readyCommands: readonly CommandRow[] = [testUnitReady, requestSense, startStopUnit]
