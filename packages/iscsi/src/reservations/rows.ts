import { command, type CommandRow, type LayoutOf, type Result, type Task } from '@tcmu/host/scsi'
import { InCdb, OutCdb, Reserve10, Reserve6 } from './layouts'
import type { OutAction } from './types'

/** What the rows need done. */
export interface RowHandlers {
  readonly report: (task: Task, report: Report, allocationLength: number) => Result
  readonly out: (task: Task, action: OutAction, cdb: LayoutOf<typeof OutCdb>) => Result
  readonly unit: (task: Task, what: 'reserve' | 'release', cdb: LayoutOf<typeof Reserve6>) => Result
}
export type Report = 'keys' | 'reservation' | 'capabilities' | 'full status'

const reports: readonly (readonly [sa: number, name: string, Report])[] = [
  [0x00, 'READ KEYS', 'keys'],
  [0x01, 'READ RESERVATION', 'reservation'],
  [0x02, 'REPORT CAPABILITIES', 'capabilities'],
  [0x03, 'READ FULL STATUS', 'full status'],
]
const actions: readonly (readonly [sa: number, OutAction])[] = [
  [0x00, 'REGISTER'],
  [0x01, 'RESERVE'],
  [0x02, 'RELEASE'],
  [0x03, 'CLEAR'],
  [0x04, 'PREEMPT'],
  [0x05, 'PREEMPT AND ABORT'],
  [0x06, 'REGISTER AND IGNORE EXISTING KEY'],
  [0x07, 'REGISTER AND MOVE'],
]
const units = [
  [0x16, 'RESERVE(6)', 'reserve', Reserve6],
  [0x17, 'RELEASE(6)', 'release', Reserve6],
  [0x56, 'RESERVE(10)', 'reserve', Reserve10],
  [0x57, 'RELEASE(10)', 'release', Reserve10],
] as const

const allowed = { formatting: true, stopped: true, reserved: true }
const base = { access: 'none', allowed } as const

/** The commands of persistent and SPC-2 reservations. */
export const reservationRows = (handlers: RowHandlers): readonly CommandRow[] => [
  ...reports.map(([sa, name, report]) => command({
    ...base, op: 0x5e, sa, name: `PERSISTENT RESERVE IN ${name}`, cdb: InCdb, dataDirection: 'in',
    transfer: (cdb) => cdb.allocationLength,
    run: (_lun, task, cdb) => handlers.report(task, report, cdb.allocationLength),
  })),
  ...actions.map(([sa, action]) => command({
    ...base, op: 0x5f, sa, name: `PERSISTENT RESERVE OUT ${action}`, cdb: OutCdb, dataDirection: 'out',
    transfer: (cdb) => cdb.listLength,
    run: (_lun, task, cdb) => handlers.out(task, action, cdb),
  })),
  ...units.map(([op, name, what, cdb]) => command({
    ...base, op, name, cdb, dataDirection: 'none',
    run: (_lun, task, view) => handlers.unit(task, what, view),
  })),
]
