import type { Layout, Members, ViewOf } from '../wire'
import type { AbilityName, Lun, Result } from './lun'
import type { Task } from './task'

/** How a command uses the medium; drives write protection, reservations, ALUA and range locks. */
export type Access = 'none' | 'read' | 'write'

/** States in which a command is answered all the same. */
export interface Allowed {
  /** Does not report a pending unit attention (SPC-4 table 30: INQUIRY, REPORT LUNS, REQUEST SENSE). */
  readonly attention?: boolean
  /** While FORMAT UNIT or SANITIZE run. */
  readonly formatting?: boolean
  /** After a FORMAT UNIT that failed. */
  readonly unformatted?: boolean
  /** After a SANITIZE that failed. */
  readonly unsanitized?: boolean
  readonly recovering?: boolean
  /** After START STOP UNIT with START=0. */
  readonly stopped?: boolean
  /** Under another nexus's reservation (SPC-4 table 67, SBC-3 table 13), whatever its kind. */
  readonly reserved?: boolean
}

/** One command: everything the rest of the system wants to know of it. */
export interface CommandRow<M extends Members = any> { // eslint-disable-line @typescript-eslint/no-explicit-any
  readonly op: number
  /** Service action, when commands share the operation code; compared with bits 4..0 of byte 1. */
  readonly sa?: number
  /** As in the standard. */
  readonly name: string
  readonly cdb: Layout<M>
  readonly access: Access
  readonly dataDirection: 'none' | 'in' | 'out'
  /** Bytes the CDB asks to move. Left out: none. */
  readonly transfer?: (cdb: ViewOf<M>, lun: Lun) => number
  /** First block and number of blocks addressed; the range is checked before `run`. */
  readonly extent?: { readonly lba: (cdb: ViewOf<M>) => number; readonly blocks: (cdb: ViewOf<M>) => number }
  /**
   * No other command changes the extent (without `extent`: the medium) while this one runs. `'unchanged'`: others that only
   * want the same may share it.
   */
  readonly exclusive?: boolean | 'unchanged'
  readonly allowed?: Allowed
  /** Left out of the table when the LUN has `none` of one of them. */
  readonly needs?: AbilityName | readonly AbilityName[]
  /** Left out of the table while it does not hold. */
  readonly when?: (lun: Lun) => boolean
  /** `cdb` is shared by all tasks of a table and moves on: use it before the first await only. */
  readonly hot?: boolean
  /** Seconds after which an initiator should give it up, as REPORT SUPPORTED OPERATION CODES says. Left out: 30. */
  readonly timeoutSeconds?: number
  readonly run: (lun: Lun, task: Task, cdb: ViewOf<M>) => Result
}

/** Declare a row; its only work is to infer the type of the CDB view. */
export const command = <M extends Members>(row: CommandRow<M>): CommandRow<M> => Object.freeze(row)

const SERVICE_ACTION = 0x1f

/** Rows found by operation code and service action. */
export class CommandTable {
  /** By operation code: the row, or a row for each service action. */
  private readonly slots: (CommandRow | CommandRow[] | undefined)[] = new Array<undefined>(256).fill(undefined)
  /** By operation code: the view that all commands of a hot row share. */
  private readonly views: (ViewOf<Members> | undefined)[] = new Array<undefined>(256).fill(undefined)

  /** Later rows replace earlier ones of the same code. Throws when a code is used with and without service actions. */
  constructor(readonly rows: readonly CommandRow[]) {
    for (const row of rows) {
      if (row.sa === undefined) {
        if (Array.isArray(this.slots[row.op])) throw new Error(`${row.name}: operation code ${row.op} has service actions`)
        this.slots[row.op] = row
      } else {
        const actions = (this.slots[row.op] ??= [])
        if (!Array.isArray(actions)) throw new Error(`${row.name}: operation code ${row.op} has no service actions`)
        actions[row.sa] = row
      }
      this.views[row.op] = row.hot && row.sa === undefined ? row.cdb.view(new Uint8Array(row.cdb.size)) : undefined
    }
  }

  /** The row for a CDB; `null` when the operation code is known but not its service action. */
  find(cdb: Uint8Array): CommandRow | null | undefined {
    const slot = this.slots[cdb[0]]
    return Array.isArray(slot) ? (slot[cdb[1] & SERVICE_ACTION] ?? null) : slot
  }

  /** The row of one code; what REPORT SUPPORTED OPERATION CODES asks. `undefined`: no such operation code. */
  entry(op: number): CommandRow | readonly (CommandRow | undefined)[] | undefined {
    return this.slots[op]
  }

  /** The CDB as the row sees it: the shared view for hot rows, one of the task's own for others. */
  viewOf(row: CommandRow, cdb: Uint8Array): ViewOf<Members> {
    const shared = this.views[row.op]
    if (!shared || this.slots[row.op] !== row) return row.cdb.view(cdb) as ViewOf<Members>
    shared.bytes = cdb
    return shared
  }
}

/** What a unit must be able to do to have the command. */
export const needsOf = ({ needs = [] }: CommandRow): readonly AbilityName[] => (typeof needs === 'string' ? [needs] : needs)

/** The rows a LUN has, by operation code and service action. */
export function rowsFor(rows: readonly CommandRow[], lun: Lun): CommandRow[] {
  return rows
    .filter((r) => needsOf(r).every((name) => lun.abilities[name] !== 'none') && (r.when?.(lun) ?? true))
    .sort((a, b) => a.op - b.op || (a.sa ?? -1) - (b.sa ?? -1))
}
