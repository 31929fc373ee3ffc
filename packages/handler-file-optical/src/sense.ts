import { descriptorSense, fixedSense, type SenseCode, senseKey, Status, type Task } from '@tcmu/host/scsi'
import type { Unit } from './unit'

/** Additional sense codes of optical drives (T10 list "SCSI ASC/ASCQ assignments"; MMC-6 annex F). */
const code = (asc: number, text: string): SenseCode => Object.freeze({ asc, text })
export const mmcSense = {
  BECOMING_READY: code(0x0401, 'logical unit is in process of becoming ready'),
  CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT: code(0x3002, 'cannot read medium, incompatible format'),
  MEDIUM_NOT_PRESENT_TRAY_CLOSED: code(0x3a01, 'medium not present, tray closed'),
  MEDIUM_NOT_PRESENT_TRAY_OPEN: code(0x3a02, 'medium not present, tray open'),
  MEDIUM_REMOVAL_PREVENTED: code(0x5302, 'medium removal prevented'),
  ILLEGAL_MODE_FOR_THIS_TRACK: code(0x6400, 'illegal mode for this track'),
} as const

/** End a command with a code that the host has no status for. */
export function fail(unit: Unit, task: Task, key: number, what: SenseCode): Status {
  task.setSense((unit.modes.dSense ? descriptorSense : fixedSense)(key, what, task.detail))
  return Status.PASSTHROUGH_ERR
}

export const illegal = (unit: Unit, task: Task, what: SenseCode): Status => fail(unit, task, senseKey.ILLEGAL_REQUEST, what)
