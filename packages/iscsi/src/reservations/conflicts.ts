import { bits, type CommandRow, layout, skip, type Task, u8 } from '@tcmu/host/scsi'
import { type Identity, idOf, ReservationType as T, type State } from './types'
import { isHolder, registrationOf } from './value'

/** What a reservation may shut out. A command has one class; a nexus has a set of classes that conflict for it. */
export const CommandClass = {
  /** Never conflicts. */
  ALWAYS: 0,
  /** Conflicts with SPC-2 reservations only. */
  STATUS: 1,
  /** Reads the medium, or what else exclusive access keeps to itself. */
  READ: 2,
  /** Changes the medium or the logical unit. */
  WRITE: 4,
} as const
const { ALWAYS, STATUS, READ, WRITE } = CommandClass

/** SPC-4 table 66, SBC-3 table 13: the classes that conflict for a nexus that does not hold the reservation. */
const conflicts: Readonly<Record<T, { readonly registered: number; readonly unregistered: number }>> = {
  [T.WRITE_EXCLUSIVE]: { registered: WRITE, unregistered: WRITE },
  [T.EXCLUSIVE_ACCESS]: { registered: READ | WRITE, unregistered: READ | WRITE },
  [T.WRITE_EXCLUSIVE_RO]: { registered: 0, unregistered: WRITE },
  [T.EXCLUSIVE_ACCESS_RO]: { registered: 0, unregistered: READ | WRITE },
  [T.WRITE_EXCLUSIVE_AR]: { registered: 0, unregistered: WRITE },
  [T.EXCLUSIVE_ACCESS_AR]: { registered: 0, unregistered: READ | WRITE },
}
/** SPC-2 table 9: under another nexus's RESERVE. */
const underReserve = STATUS | READ | WRITE

/** The classes of commands that conflict for `who`: a union of CommandClass bits. */
export function conflictsFor(state: State, who: Identity): number {
  if (state.legacy !== undefined) return state.legacy === idOf(who) ? 0 : underReserve
  if (!state.reservation) return 0
  const own = registrationOf(state, who)
  if (own && isHolder(state, own.id)) return 0
  return conflicts[state.reservation.type][own ? 'registered' : 'unregistered']
}

const ServiceAction = layout('service_action', { op: u8, action: bits(u8, { serviceAction: [4, 0] }) })
const StartStop = layout('start_stop_unit', { op: u8, reserved: skip(3), flags: bits(u8, { powerCondition: [7, 4], start: 0 }) })
const PreventAllow = layout('prevent_allow', { op: u8, reserved: skip(3), flags: bits(u8, { prevent: [1, 0] }) })
const starts = (cdb: Uint8Array): boolean => {
  const { powerCondition, start } = StartStop.decode(cdb)
  return powerCondition === 0 && start === 1
}

interface Rule {
  readonly name: string
  readonly op: number
  readonly sa?: number
  readonly is: number
  /** The class of the commands that `when` holds for; the others have `is`. */
  readonly but?: number
  readonly when?: (cdb: Uint8Array) => boolean
}

/** Commands whose class does not follow from their row, and those of handlers that have no rows. */
export const rules: readonly Rule[] = [
  { op: 0x00, name: 'TEST UNIT READY', is: STATUS },
  { op: 0x03, name: 'REQUEST SENSE', is: ALWAYS },
  { op: 0x08, name: 'READ(6)', is: READ },
  { op: 0x12, name: 'INQUIRY', is: ALWAYS },
  { op: 0x1a, name: 'MODE SENSE(6)', is: READ },
  { op: 0x1b, name: 'START STOP UNIT', is: WRITE, but: ALWAYS, when: starts },
  { op: 0x1c, name: 'RECEIVE DIAGNOSTIC RESULTS', is: READ },
  { op: 0x1e, name: 'PREVENT ALLOW MEDIUM REMOVAL', is: WRITE, but: ALWAYS, when: (cdb) => PreventAllow.decode(cdb).prevent === 0 },
  { op: 0x25, name: 'READ CAPACITY(10)', is: ALWAYS },
  { op: 0x28, name: 'READ(10)', is: READ },
  { op: 0x2f, name: 'VERIFY(10)', is: READ },
  { op: 0x34, name: 'PRE-FETCH(10)', is: READ },
  { op: 0x35, name: 'SYNCHRONIZE CACHE(10)', is: WRITE },
  { op: 0x37, name: 'READ DEFECT DATA(10)', is: READ },
  { op: 0x3c, name: 'READ BUFFER(10)', is: READ },
  { op: 0x4d, name: 'LOG SENSE', is: ALWAYS },
  { op: 0x5a, name: 'MODE SENSE(10)', is: READ },
  { op: 0x83, name: 'EXTENDED COPY', is: WRITE },
  { op: 0x84, name: 'RECEIVE COPY RESULTS', is: READ },
  { op: 0x86, name: 'ACCESS CONTROL IN', is: ALWAYS },
  { op: 0x87, name: 'ACCESS CONTROL OUT', is: ALWAYS },
  { op: 0x88, name: 'READ(16)', is: READ },
  { op: 0x8c, name: 'READ ATTRIBUTE', is: READ },
  { op: 0x8f, name: 'VERIFY(16)', is: READ },
  { op: 0x90, name: 'PRE-FETCH(16)', is: READ },
  { op: 0x91, name: 'SYNCHRONIZE CACHE(16)', is: WRITE },
  { op: 0x95, sa: 0x00, name: 'REPORT ZONES', is: READ },
  { op: 0x9e, sa: 0x10, name: 'READ CAPACITY(16)', is: ALWAYS },
  { op: 0x9e, sa: 0x11, name: 'READ LONG(16)', is: WRITE },
  { op: 0x9e, sa: 0x12, name: 'GET LBA STATUS', is: READ },
  { op: 0x9e, sa: 0x13, name: 'REPORT REFERRALS', is: ALWAYS },
  { op: 0xa0, name: 'REPORT LUNS', is: ALWAYS },
  { op: 0xa2, name: 'SECURITY PROTOCOL IN', is: READ },
  { op: 0xa3, sa: 0x05, name: 'REPORT IDENTIFYING INFORMATION', is: ALWAYS },
  { op: 0xa3, sa: 0x0a, name: 'REPORT TARGET PORT GROUPS', is: ALWAYS },
  { op: 0xa3, sa: 0x0b, name: 'REPORT ALIASES', is: ALWAYS },
  { op: 0xa3, sa: 0x0c, name: 'REPORT SUPPORTED OPERATION CODES', is: READ },
  { op: 0xa3, sa: 0x0d, name: 'REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS', is: READ },
  { op: 0xa3, sa: 0x0e, name: 'REPORT PRIORITY', is: ALWAYS },
  { op: 0xa3, sa: 0x0f, name: 'REPORT TIMESTAMP', is: ALWAYS },
  { op: 0xa8, name: 'READ(12)', is: READ },
  { op: 0xab, sa: 0x01, name: 'READ MEDIA SERIAL NUMBER', is: ALWAYS },
  { op: 0xaf, name: 'VERIFY(12)', is: READ },
  { op: 0xb7, name: 'READ DEFECT DATA(12)', is: READ },
]

/** What a row says of itself. Without a row nothing is known: it might write. */
function classOfRow(row: CommandRow | undefined): number {
  if (!row || row.access === 'write') return WRITE
  if (row.access === 'read') return READ
  if (row.allowed?.reserved) return ALWAYS
  return row.dataDirection === 'in' ? READ : WRITE
}

/** Finds the class of a command: the rules by operation code and service action first, its row otherwise. */
export class Classifier {
  private readonly byOp: (Rule | Rule[] | undefined)[] = new Array<undefined>(256).fill(undefined)

  constructor() {
    for (const rule of rules) {
      if (rule.sa === undefined) this.byOp[rule.op] = rule
      else ((this.byOp[rule.op] ??= []) as Rule[])[rule.sa] = rule
    }
  }

  classOf(task: Task): number {
    let rule = this.byOp[task.cdb[0]]
    if (Array.isArray(rule)) rule = rule[ServiceAction.decode(task.cdb).serviceAction]
    if (!rule) return classOfRow(task.row)
    return rule.when?.(task.cdb) ? rule.but! : rule.is
  }
}
