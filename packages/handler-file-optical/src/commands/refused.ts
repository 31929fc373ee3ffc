import { cdb, op, Status } from '@tcmu/host/scsi'
import { mmc, type MmcRow } from '../row'

/** What would write: a ROM disc cannot be written, and the C handler says so with these (MMC-6 table F.1). */
const writing = [
  [op.FORMAT_UNIT, 'FORMAT UNIT', cdb.Plain6],
  [op.WRITE_6, 'WRITE(6)', cdb.Plain6],
  [op.WRITE_10, 'WRITE(10)', cdb.Rw10],
  [op.WRITE_12, 'WRITE(12)', cdb.Rw12],
  [op.WRITE_AND_VERIFY_10, 'WRITE AND VERIFY(10)', cdb.Verify10],
] as const

export const refusedCommands: readonly MmcRow[] = writing.map(([code, name, shape]) => mmc({
  op: code, name, cdb: shape, access: 'write', dataDirection: 'out', medium: true, run: () => Status.WR_ERR_INCOMPAT_FRMT,
}))
