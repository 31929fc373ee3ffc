import {
  descriptorSense, deviceIdentification, extendedInquiry, fixedSense, inquiryCommand, requestSense as generic, type Result, sense, type SenseCode, senseKey, statusRow,
  type Task, testUnitReady, unitSerialNumber,
} from '@tcmu/host/scsi'
import { borrowed, mmc, type MmcRow } from '../row'
import type { Unit } from '../unit'

/** SPC-4 table 142: version descriptor of MMC-6, no revision claimed. */
const MMC_6 = 0x04e0

export const inquiry = borrowed(inquiryCommand([unitSerialNumber, deviceIdentification, extendedInquiry], { removable: true, commandSet: MMC_6 }), { medium: false })

/** A pending unit attention, else why there is no medium to use, else nothing (MMC-6 6.37). */
function condition(unit: Unit, task: Task): { key: number; code: SenseCode } {
  const attention = unit.takeAttention(task.nexus)
  const found = attention === undefined ? undefined : statusRow(attention).sense
  if (found && found !== 'task') return found
  const { unready } = unit.drive
  return unready ? { key: senseKey.NOT_READY, code: unready } : { key: senseKey.NO_SENSE, code: sense.NO_ADDITIONAL_SENSE_INFORMATION }
}

function runRequestSense(unit: Unit, task: Task, c: { desc: number; allocation: number }): Result {
  const { key, code } = condition(unit, task)
  return task.respond(c.desc ? descriptorSense(key, code) : fixedSense(key, code), c.allocation)
}

export const requestSense = mmc({ ...generic, medium: false, run: runRequestSense })

export const identityCommands: readonly MmcRow[] = [inquiry, requestSense, borrowed(testUnitReady, { medium: true })]
