import { type CommandRow, command } from '../command-table'
import { Cache10, Cache16 } from '../cdb'
import type { Lun, Result } from '../lun'
import { flush } from '../medium'
import { op } from '../opcodes'
import { Status } from '../status'
import type { Task } from '../task'
import { extent } from './access'

/**
 * SBC-3 5.22: flushes all there is, whatever the range. IMMED waits all the same: a flush that fails after GOOD would
 * be heard of by nobody, and the next one may succeed without having written what the first one lost.
 */
const synchronize = (lun: Lun, task: Task): Result => flush(lun, task)
/** SBC-3 5.9: GOOD says that not all of the range is cached, which never changes here. */
const preFetch = (): Result => Status.OK

export const synchronizeCache10 = command({
  op: op.SYNCHRONIZE_CACHE_10, name: 'SYNCHRONIZE CACHE(10)', cdb: Cache10, access: 'none', dataDirection: 'none', extent, run: synchronize,
})
export const synchronizeCache16 = command({
  op: op.SYNCHRONIZE_CACHE_16, name: 'SYNCHRONIZE CACHE(16)', cdb: Cache16, access: 'none', dataDirection: 'none', extent, run: synchronize,
})
export const preFetch10 = command({
  op: op.PRE_FETCH_10, name: 'PRE-FETCH(10)', cdb: Cache10, access: 'read', dataDirection: 'none', extent, run: preFetch,
})
export const preFetch16 = command({
  op: op.PRE_FETCH_16, name: 'PRE-FETCH(16)', cdb: Cache16, access: 'read', dataDirection: 'none', extent, run: preFetch,
})

export const cacheCommands: readonly CommandRow[] = [synchronizeCache10, synchronizeCache16, preFetch10, preFetch16]
