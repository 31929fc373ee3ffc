import type { HostedDevice, TracedCommand } from './device'
import type { Logger } from './log'
import type { Task } from './scsi'

/** The bytes of a CDB as the C daemon logs them: hexadecimal, without leading zeroes. */
export const cdbText = (task: Pick<Task, 'cdb' | 'cdbLength'>): string => Array.from(task.cdb.subarray(0, task.cdbLength), (b) => b.toString(16)).join(' ')

/** Log each command of a device while its logger is at level 5; at other levels a command costs one comparison. */
export function traceCommands(log: Logger, device: HostedDevice): void {
  const say = (task: TracedCommand): void => log.trace({ command: task.row?.name, initiator: task.nexus.name }, cdbText(task))
  const follow = (): void => {
    device.trace = log.isLevelEnabled('trace') ? say : undefined
  }
  // Loggers made from one share their listeners, and there is one for each device.
  log.setMaxListeners(0)
  log.on('level-change', follow)
  device.hooks.event.tap('trace', (event) => {
    if (event.kind === 'state' && event.state === 'closed') log.off('level-change', follow)
  })
  follow()
}
