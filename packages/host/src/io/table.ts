import type { IoTable } from '../platform/native'

/** Columns of the submission and completion tables, for `rows` operations over `iovs` memory ranges. */
export function ioTable(rows: number, iovs: number): IoTable {
  const words = (): Int32Array => new Int32Array(rows)
  const numbers = (n: number): Float64Array => new Float64Array(n)
  return {
    op: words(), flags: words(), file: words(), area: words(), iovFirst: words(), iovCount: words(), token: words(), turn: words(),
    offset: numbers(rows), length: numbers(rows), result: numbers(rows),
    iovOffset: numbers(iovs), iovLength: numbers(iovs),
    doneToken: words(), doneResult: numbers(rows),
  }
}

/** The same table with room for `iovs` ranges; those in use are kept. */
export function withIovs(table: IoTable, iovs: number): IoTable {
  const grown = { ...table, iovOffset: new Float64Array(iovs), iovLength: new Float64Array(iovs) }
  grown.iovOffset.set(table.iovOffset)
  grown.iovLength.set(table.iovLength)
  return grown
}
