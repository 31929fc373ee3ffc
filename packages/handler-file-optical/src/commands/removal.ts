import { invalidField, op, type Result, senseKey, Status, type Task } from '@tcmu/host/scsi'
import { PreventAllow, StartStop } from '../cdb'
import { mmc, type MmcRow } from '../row'
import { fail, illegal, mmcSense } from '../sense'
import type { Drive } from '../drive'
import type { Unit } from '../unit'

/** MMC-6 table 636: what LOEJ and START together ask for. */
const actions: readonly ((drive: Drive) => Promise<boolean> | undefined)[] = [
  () => undefined,
  () => undefined,
  (drive) => drive.eject(),
  (drive) => drive.load().then(() => true),
]
const LOEJ = 2
/** Idle, standby and sleep: an image has nothing to spin down. */
const MOST_POWER_CONDITION = 5
const RESERVED_POWER_CONDITIONS: readonly number[] = [1, 4]

type Action = { immed: number; powerCondition: number; fl: number; loej: number; start: number; formatLayer: number }
function runStartStop({ drive }: Unit, task: Task, c: Action): Result {
  if (c.powerCondition > MOST_POWER_CONDITION || RESERVED_POWER_CONDITIONS.includes(c.powerCondition)) return invalidField(task, 'powerCondition', 7)
  if (c.powerCondition !== 0) return Status.OK
  if (c.fl) return invalidField(task, 'fl', 2)
  const done = actions[c.loej * LOEJ + c.start](drive)
  if (!done) return Status.OK
  const prevented = (): Status => illegal(drive.unit, task, mmcSense.MEDIUM_REMOVAL_PREVENTED)
  // An eject that is prevented is known at once; what is left takes its time.
  if (c.immed) return !c.start && drive.removal.prevented && drive.state !== 'open' ? prevented() : Status.OK
  return done.then((moved) => (moved ? Status.OK : prevented()))
}

/** MMC-6 6.42 */
export const startStopUnit = mmc({
  op: op.START_STOP_UNIT, name: 'START STOP UNIT', cdb: StartStop, dataDirection: 'none', run: runStartStop,
})

/** MMC-6 6.15. With the tray out there is nothing to hold back. */
function runPreventAllow(unit: Unit, task: Task, c: { persistent: number; prevent: number }): Result {
  const { drive } = unit
  if (c.prevent && drive.state === 'open') return fail(unit, task, senseKey.NOT_READY, mmcSense.MEDIUM_NOT_PRESENT_TRAY_OPEN)
  drive.removal.set(task.nexus, c.persistent === 1, c.prevent === 1)
  return Status.OK
}

/** An initiator that holds a reservation does not keep others from releasing what they hold (SPC-4 table 67). */
export const preventAllow = mmc({
  op: op.PREVENT_ALLOW_MEDIUM_REMOVAL, name: 'PREVENT ALLOW MEDIUM REMOVAL', cdb: PreventAllow, dataDirection: 'none', run: runPreventAllow,
})

export const removalCommands: readonly MmcRow[] = [startStopUnit, preventAllow]
