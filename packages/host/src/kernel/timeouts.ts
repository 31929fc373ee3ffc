import type { CommandLimits } from '../device'
import type { HandlerLog } from '../handler/types'

/** Time-outs of a device as configfs has them, in seconds. */
export interface KernelTimeouts {
  /** `cmd_time_out`: after it the initiator gets NOT READY, and the command is ours all the same. 0: never. */
  readonly command: number | undefined
  /** `qfull_time_out`: how long a command waits for room in the ring. −1: as long as `command`; 0: it does not wait. */
  readonly full: number | undefined
}

/** How long commands may take here, next to what the kernel has; what does not fit together is told. */
export function limitsOf(device: string, own: number | undefined, kernel: KernelTimeouts, log: HandlerLog): CommandLimits {
  const lateSeconds = own ?? 0
  const peerSeconds = kernel.command ?? 0
  if (lateSeconds > 0 && peerSeconds > 0 && lateSeconds >= peerSeconds) {
    log.warn(`${device}: tcmur_cmd_time_out=${lateSeconds} comes too late: the kernel gives up on a command after ${peerSeconds} s (cmd_time_out)`)
  }
  if (kernel.full === 0) log.info(`${device}: qfull_time_out=0: commands that find the ring full end with TASK SET FULL`)
  return { lateSeconds, peerSeconds }
}
