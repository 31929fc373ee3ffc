import type { DeviceInfo, Handler } from '../handler'
import { blockCommands, op, Status, type Task } from '../scsi'
import type { RemoteUnit } from './remote-unit'

/** What is answered about a device whatever has become of its medium (SPC-4 5.6.4). */
const identity = blockCommands.filter((row) => row.op === op.INQUIRY || row.op === op.REPORT_LUNS || row.op === op.REQUEST_SENSE)
const identityCodes: ReadonlySet<number> = new Set(identity.map((row) => row.op))

const refuse = (_: unknown, task: Task): Status => (identityCodes.has(task.cdb[0]!) ? Status.NOT_HANDLED : Status.NOT_READY)

/** In place of a handler that is not to be started any more: a device as it was, but not ready. */
export function parkedHandler(was: Pick<RemoteUnit, 'subtype' | 'deviceType' | 'blocks' | 'blockSize'>): Handler {
  const { subtype, deviceType, blocks, blockSize } = was
  const open = (dev: DeviceInfo): null => {
    dev.declare({ blockSize })
    dev.mediumChanged(blocks * blockSize)
    return null
  }
  const base = { subtype, open, handleCmd: refuse }
  if (deviceType !== 0) return { ...base, deviceType, commands: identity }
  const notReady = (): Status => Status.NOT_READY
  return { ...base, read: notReady, write: notReady, flush: notReady }
}
