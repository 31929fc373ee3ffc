import {
  bits, Capacity16, cdb, command, type CommandRow, identityPages, inquiryCommand, invalidField, layout, modeSelectCommands, modeSenseCommands, op,
  readCapacity10, reportSupportedOperationCodes, reportTaskManagementFunctions, requestSense, type Result, sendDiagnostic, serviceAction, skip, startStopUnit,
  synchronizeCache10, synchronizeCache16, testUnitReady, u8, Capacity10,
} from '@tcmu/host/scsi'
import type { ZonedUnit } from '../unit'
import { logRows } from './log'

/** Version descriptor of ZBC, no revision claimed (SPC-5 table E.10). */
const ZBC_VERSION = 0x0620
/** RC BASIS: what LAST LBA is the last of (ZBC-2 5.4). */
const WHOLE_MEDIUM = 1
const MORE = 0xffffffff

const FormatUnit = layout('format_unit', {
  op: u8, flags: bits(u8, { fmtpInfo: [7, 6], longList: 5, fmtData: 4, cmpLst: 3, defectListFormat: [2, 0] }), vendor: skip(3), control: bits(u8, { naca: 2 }),
}, { size: 6 })
/** LAST LBA is the medium's, or with Zone Domains that of the part that a plain disk has. */
const capacityRows = (unit: ZonedUnit): CommandRow[] => {
  const last = (): number => Math.max(0, unit.personality.reportedBlocks() - 1)
  return [
    command({
      ...readCapacity10,
      run: (lun, task, c) => {
        const { reladr, pmi } = c as unknown as { reladr: number; pmi: number }
        if (reladr || pmi) return readCapacity10.run(lun, task, c)
        return task.respond(Capacity10.encode({ lastLba: Math.min(last(), MORE), blockLength: lun.blockSize }), Capacity10.size)
      },
    }),
    command({
      op: op.SERVICE_ACTION_IN_16, sa: serviceAction.READ_CAPACITY_16, name: 'READ CAPACITY(16)', cdb: cdb.ServiceActionIn16, access: 'none',
      dataDirection: 'in', transfer: (c) => c.allocation, allowed: { reserved: true },
      run: (lun, task, c) => task.respond(Capacity16.encode({
        lastLba: last(), blockLength: lun.blockSize, physicalExponent: lun.physicalExponent, rcBasis: unit.personality.wholeMedium() ? WHOLE_MEDIUM : 0,
      }), c.allocation),
    }),
  ]
}

/** MODE SENSE never returns block descriptors: initiators of zoned disks look for pages right behind the header. */
function modeRows(unit: ZonedUnit): CommandRow[] {
  // Which pages there are may change while the device is open.
  const sense = (name: 'modeSense6' | 'modeSense10'): CommandRow => command({
    ...modeSenseCommands(unit.personality.modePages())[name],
    run: (lun, task, c) => {
      const { pc, page, subpage, allocation } = c as unknown as { pc: number; page: number; subpage: number; allocation: number }
      return modeSenseCommands(unit.personality.modePages())[name].run(lun, task, { pc, page, subpage, allocation, dbd: 1 } as never)
    },
  })
  const select = (name: 'modeSelect6' | 'modeSelect10'): CommandRow => command({
    ...modeSelectCommands(unit.personality.modePages())[name],
    run: (lun, task, c) => modeSelectCommands(unit.personality.modePages())[name].run(lun, task, c),
  })
  return [sense('modeSense6'), sense('modeSense10'), select('modeSelect6'), select('modeSelect10')]
}

const formatUnit = (unit: ZonedUnit): CommandRow => command({
  op: op.FORMAT_UNIT, name: 'FORMAT UNIT', cdb: FormatUnit, access: 'write', dataDirection: 'none', exclusive: true,
  run: (_lun, task, c): Result => (c.fmtData || c.cmpLst || c.longList ? invalidField(task, 'fmtData', 4) : (unit.personality.format?.(unit) ?? unit.commands.format())),
})

/** What every zoned unit answers beside zones and their data. */
export const unitRows = (unit: ZonedUnit): CommandRow[] => [
  testUnitReady, requestSense, startStopUnit, sendDiagnostic,
  inquiryCommand([...identityPages, ...unit.personality.vpdPages], { commandSet: ZBC_VERSION }),
  ...capacityRows(unit),
  synchronizeCache10, synchronizeCache16,
  ...modeRows(unit),
  ...logRows(unit),
  formatUnit(unit),
  reportSupportedOperationCodes, reportTaskManagementFunctions,
]
