// What figures depend on besides the code.
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

export const machine = () => ({
  processors: availableParallelism(), model: cpus()[0]?.model.trim() ?? 'unknown', memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(), node: process.version, arch: process.arch,
})
/** Processes that ran or wanted to, over the last minute. */
export const load = () => loadavg()[0]
