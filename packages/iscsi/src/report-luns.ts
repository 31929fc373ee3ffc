import { bits, command, type CommandRow, layout, op, skip, u32be, u8 } from '@tcmu/host/scsi'
import { LunEntry, lunHigh } from './lun-address'

/** SPC-4 6.33. */
export const ReportLuns = layout('report_luns', {
  op: u8, reserved: skip(1), select: u8, reserved2: skip(3), allocation: u32be, reserved3: skip(1), control: bits(u8, { naca: 2 }),
}, { size: 12 })
const Header = layout('report_luns_data', { listLength: u32be, reserved: skip(4) }, { size: 8 })

/** SELECT REPORT: logical units without the well-known ones, well-known ones only, all that are accessible. */
const select = { UNITS: 0, WELL_KNOWN: 1, ALL: 2 } as const

/** REPORT LUNS parameter data in ascending order; undefined for a SELECT REPORT that there is not. */
export function listLuns(numbers: Iterable<number>, selected: number): Uint8Array | undefined {
  if (!(Object.values(select) as number[]).includes(selected)) return undefined
  const list = selected === select.WELL_KNOWN ? [] : [...numbers].sort((a, b) => a - b)
  const data = new Uint8Array(Header.size + list.length * LunEntry.size)
  Header.encode({ listLength: list.length * LunEntry.size }, data)
  list.forEach((n, i) => LunEntry.encode({ high: lunHigh(n) }, data, Header.size + i * LunEntry.size))
  return data
}

/** The row that every logical unit of a target answers REPORT LUNS with. */
export const reportLunsRow = (numbers: () => Iterable<number>): CommandRow =>
  command({
    op: op.REPORT_LUNS, name: 'REPORT LUNS', cdb: ReportLuns, access: 'none', dataDirection: 'in', transfer: (c) => c.allocation,
    allowed: { attention: true, formatting: true, unformatted: true, unsanitized: true, recovering: true, stopped: true, reserved: true },
    run(_lun, task, c) {
      const data = listLuns(numbers(), c.select)
      return data ? task.respond(data, c.allocation) : task.invalidCdb(ReportLuns.at.select)
    },
  })
