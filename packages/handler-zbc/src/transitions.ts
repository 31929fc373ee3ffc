import { type ZoneCondition, zoneCondition as c, type ZoneType, zoneType as t, Status } from '@tcmu/host/scsi'

export type ZoneCommand = 'OPEN' | 'CLOSE' | 'FINISH' | 'RESET' | 'WRITE'

/** What a command does to a zone: its next condition, or why not. `slot`: the zone needs a place among the open ones. */
export interface Step {
  readonly to: ZoneCondition | undefined
  readonly slot: boolean
  readonly refuse: Status | undefined
}
type Column = Readonly<Record<ZoneCommand, Step>>

// All of one shape: each write looks at one of them.
const to = (condition: ZoneCondition): Step => ({ to: condition, slot: false, refuse: undefined })
const slot = (condition: ZoneCondition): Step => ({ to: condition, slot: true, refuse: undefined })
const no = (status: Status): Step => ({ to: undefined, slot: false, refuse: status })
const never = (status: Status): Column => ({ OPEN: no(status), CLOSE: no(status), FINISH: no(status), RESET: no(status), WRITE: no(status) })

/**
 * Sequential zones (ZBC-2 4.5.3). After a step two rules hold for every zone: one that is written to its end is FULL, and
 * one without anything written is EMPTY rather than CLOSED.
 */
const sequential: Readonly<Record<ZoneCondition, Column>> = {
  [c.NOT_WRITE_POINTER]: never(Status.INVALID_CDB),
  [c.EMPTY]: { OPEN: slot(c.EXPLICIT_OPEN), CLOSE: to(c.EMPTY), FINISH: slot(c.FULL), RESET: to(c.EMPTY), WRITE: slot(c.IMPLICIT_OPEN) },
  [c.IMPLICIT_OPEN]: { OPEN: to(c.EXPLICIT_OPEN), CLOSE: to(c.CLOSED), FINISH: to(c.FULL), RESET: to(c.EMPTY), WRITE: to(c.IMPLICIT_OPEN) },
  [c.EXPLICIT_OPEN]: { OPEN: to(c.EXPLICIT_OPEN), CLOSE: to(c.CLOSED), FINISH: to(c.FULL), RESET: to(c.EMPTY), WRITE: to(c.EXPLICIT_OPEN) },
  [c.CLOSED]: { OPEN: slot(c.EXPLICIT_OPEN), CLOSE: to(c.CLOSED), FINISH: slot(c.FULL), RESET: to(c.EMPTY), WRITE: slot(c.IMPLICIT_OPEN) },
  [c.FULL]: { OPEN: to(c.FULL), CLOSE: to(c.FULL), FINISH: to(c.FULL), RESET: to(c.EMPTY), WRITE: no(Status.INVALID_CDB) },
  [c.INACTIVE]: never(Status.ZONE_INACTIVE),
  [c.READ_ONLY]: never(Status.ZONE_READ_ONLY),
  [c.OFFLINE]: never(Status.ZONE_OFFLINE),
}

const unavailable: ReadonlySet<ZoneCondition> = new Set([c.INACTIVE, c.READ_ONLY, c.OFFLINE])
const available = (change: Partial<Column>): typeof sequential => Object.fromEntries(Object.entries(sequential).map(([condition, column]) =>
  [condition, unavailable.has(Number(condition) as ZoneCondition) ? column : { ...column, ...change }])) as typeof sequential
const all = (change: Partial<Column>): typeof sequential => Object.fromEntries(Object.entries(sequential).map(([condition, column]) =>
  [condition, { ...column, ...change }])) as typeof sequential

/** A full zone is written to as any other, and stays full. */
const preferred: typeof sequential = { ...sequential, [c.FULL]: { ...sequential[c.FULL], WRITE: to(c.FULL) } }
const noOpenNorClose = { OPEN: no(Status.INVALID_CDB), CLOSE: no(Status.INVALID_CDB) }
/** SOBR zones are opened by writing alone; the dialects differ about FINISH. */
const sobr = available(noOpenNorClose)
const sobrNoFinish = available({ ...noOpenNorClose, FINISH: no(Status.INVALID_CDB) })
const sobrWrites = (table: typeof sequential): typeof sequential => ({ ...table, [c.FULL]: { ...table[c.FULL], WRITE: to(c.FULL) } })

const refused = Status.INVALID_CDB
const conventional = all({ OPEN: no(refused), CLOSE: no(refused), FINISH: no(refused), RESET: no(refused) })
const writable: typeof sequential = { ...conventional, [c.NOT_WRITE_POINTER]: { ...never(refused), WRITE: to(c.NOT_WRITE_POINTER) } }
const gap = all(never(Status.GAP_ZONE))

export type Transitions = Readonly<Record<ZoneType, typeof sequential>>
/** The state machine: by zone type, condition and command. */
export const transitions = (sobrFinish: boolean): Transitions => ({
  [t.CONVENTIONAL]: writable,
  [t.SEQUENTIAL_REQUIRED]: sequential,
  [t.SEQUENTIAL_PREFERRED]: preferred,
  [t.SOBR]: sobrWrites(sobrFinish ? sobr : sobrNoFinish),
  [t.GAP]: gap,
})

/** Zones that a command with ALL applies to, by condition; it leaves the others alone. */
export const affectedByAll: Readonly<Record<Exclude<ZoneCommand, 'WRITE'>, ReadonlySet<ZoneCondition>>> = {
  OPEN: new Set([c.CLOSED]),
  CLOSE: new Set([c.IMPLICIT_OPEN, c.EXPLICIT_OPEN]),
  FINISH: new Set([c.IMPLICIT_OPEN, c.EXPLICIT_OPEN, c.CLOSED]),
  RESET: new Set([c.IMPLICIT_OPEN, c.EXPLICIT_OPEN, c.CLOSED, c.FULL]),
}
