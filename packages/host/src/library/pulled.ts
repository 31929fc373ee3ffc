import { type CommandsHandler, defineHandler, type DeviceInfo, type DeviceProperties } from '../handler'
import { blockCommands, type BlockOps, type CommandRow } from '../scsi'
import { commandFor } from './command'
import { CommandQueue } from './queue'

/** What a handler whose commands are pulled may say besides its subtype. */
export interface PulledOptions {
  /** First part of the cfgstring of its devices. */
  readonly subtype: string
  readonly summary?: string
  /** How long a command may wait and be worked on; then it is answered BUSY. Default 30000. */
  readonly deadlineMs?: number
  /** Commands of a device that may wait; one more is answered TASK SET FULL. Default 1024. */
  readonly mostWaiting?: number
  /** What a device says of itself, e.g. `{ readOnly: true }`. */
  readonly properties?: (dev: DeviceInfo) => DeviceProperties
  /** What `emulate()` reads and writes with: WRITE SAME, COMPARE AND WRITE, UNMAP and all else that moves blocks. */
  readonly medium?: (dev: DeviceInfo) => BlockOps
  /** SPC-4 peripheral device type; default 0, a disk. */
  readonly deviceType?: number
  /** Rows that `emulate()` answers by. Default: those of a disk. */
  readonly rows?: readonly CommandRow[]
}

const DEADLINE_MS = 30_000
const MOST_WAITING = 1024

/** State of a device whose commands are pulled. */
export class PulledState {
  constructor(readonly queue: CommandQueue, readonly medium: BlockOps | undefined) {}
}

function open(dev: DeviceInfo, o: PulledOptions): PulledState {
  const { deadlineMs = DEADLINE_MS, mostWaiting = MOST_WAITING } = o
  if (!(deadlineMs > 0 && deadlineMs < 2 ** 31 && mostWaiting >= 0)) throw new RangeError(`${o.subtype}: deadlineMs ${deadlineMs} or mostWaiting ${mostWaiting} is out of range`)
  if (o.properties) dev.declare(o.properties(dev))
  const queue = new CommandQueue({
    deadlineMs, mostWaiting,
    late: (c) => dev.log.error(`${dev.name}: ${c.length} commands were not completed in ${deadlineMs / 1000} s; the first: ${c[0]!.name}`),
  })
  return new PulledState(queue, o.medium?.(dev))
}

/**
 * A handler whose commands wait until the program pulls them, with `for await (const command of
 * host.device(name).commands())`. What an initiator may not ask (blocks beyond the last one, writes to a read-only device,
 * malformed CDBs) is refused before it is queued. Throws E_HANDLER_SHAPE.
 */
export function pulled(options: PulledOptions | string): CommandsHandler<PulledState> {
  const o = typeof options === 'string' ? { subtype: options } : options
  const { subtype, summary, deviceType, rows = blockCommands } = o
  return defineHandler<PulledState>({
    subtype, commands: rows, ...(summary !== undefined && { summary }), ...(deviceType !== undefined && { deviceType }),
    open: (dev) => open(dev, o),
    close: ({ queue }) => queue.close(),
    ...(o.medium && { medium: (state: PulledState) => state.medium! }),
    handleCmd({ queue }, task, lun) {
      const found = commandFor(task, lun)
      if (typeof found === 'number') return found
      queue.put(found.command)
      return found.result
    },
  })
}
