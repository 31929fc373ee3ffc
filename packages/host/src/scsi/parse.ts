import type { Access, CommandRow } from './command-table'
import { CommandTable } from './command-table'
import { blockCommands } from './commands'
import { MAX_CDB } from './task'

/** What a CDB says, by the table of commands. Numbers as in the standards. */
export interface ParsedCdb {
  readonly row: CommandRow
  /** As in the standard, e.g. `READ(16)`. */
  readonly name: string
  readonly access: Access
  readonly dataDirection: 'none' | 'in' | 'out'
  /** Every field by its name. */
  readonly fields: Readonly<Record<string, number>>
  /** First block and number of blocks, when the command addresses any. */
  readonly lba?: number
  readonly blocks?: number
}

const disk = new CommandTable(blockCommands)

/**
 * Take a CDB apart. Undefined: no row of the table has its operation code and service action, or bytes of it are missing.
 * `table` is that of a device (`lun.commands`), or everything that the host knows of disks.
 */
export function parseCdb(cdb: Uint8Array, table: CommandTable = disk): ParsedCdb | undefined {
  const row = cdb.length > 1 && cdb.length <= MAX_CDB ? (table.find(cdb) ?? undefined) : undefined
  if (!row || cdb.length < row.cdb.size) return undefined
  const fields = row.cdb.decode(cdb) as Record<string, number>
  const { name, access, dataDirection, extent } = row
  const view = row.cdb.view(cdb) as never
  return { row, name, access, dataDirection, fields, ...(extent && { lba: extent.lba(view), blocks: extent.blocks(view) }) }
}
