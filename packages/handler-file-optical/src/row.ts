import type { CommandRow, Layout, Members, Result, Task, ViewOf } from '@tcmu/host/scsi'
import type { Unit } from './unit'

/** A command of the drive: a row as the host knows them, and whether it needs a medium. */
export interface MmcRow<M extends Members = any> extends CommandRow<M> { // eslint-disable-line @typescript-eslint/no-explicit-any
  readonly medium: boolean
}

interface Parts<M extends Members> extends Omit<CommandRow<M>, 'cdb' | 'run' | 'access'> {
  readonly cdb: Layout<M>
  readonly access?: CommandRow['access']
  readonly medium?: boolean
  readonly run: (unit: Unit, task: Task, cdb: ViewOf<M>) => Result
}

/** Declare a row whose `run` gets the unit. */
export function mmc<M extends Members>(row: Parts<M>): MmcRow<M> {
  const { access = 'none', medium = false, run } = row
  return Object.freeze<MmcRow<M>>({ ...row, access, medium, run: (lun, task, cdb) => run(lun as Unit, task, cdb) })
}

/** A row of the host's, as it is or with differences. */
export function borrowed(row: CommandRow, more: { readonly medium: boolean; readonly transfer?: (cdb: never) => number }): MmcRow {
  return Object.freeze<MmcRow>({ ...row, ...(more as { medium: boolean; transfer?: CommandRow['transfer'] }) })
}

/** Members of rows that answer with data, cut to the allocation length of their CDB. */
export const answering = { dataDirection: 'in', transfer: (c: { allocation: number }): number => c.allocation } as const
