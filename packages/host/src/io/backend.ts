import { getSystemErrorMap } from 'node:util'

/** What carries out file I/O that has to wait: `auto` is io_uring where that can be had, else threads. */
export type IoEngineChoice = 'auto' | 'uring' | 'threads'

const TOO_OLD = "this kernel's io_uring is too old; Linux 6.1 or later is wanted"

/** Why io_uring is not to be had, by what its set-up failed with. */
const reasons: Readonly<Record<string, string>> = {
  EPERM: 'io_uring is forbidden here', EACCES: 'io_uring is forbidden here', ENOSYS: 'this kernel has no io_uring',
  EINVAL: TOO_OLD, ENOTSUP: TOO_OLD, ENOMEM: 'there is no memory for io_uring', EMFILE: 'too many files are open for io_uring',
}

/** A sentence about an errno of io_uring's set-up, as `io_uring is forbidden here (EPERM)`. */
export function uringRefusal(errno: number): string {
  const [code] = getSystemErrorMap().get(-errno) ?? [`E${errno}`]
  return `${reasons[code] ?? 'io_uring does not work here'} (${code})`
}

/** What the log and the control socket say: `io_uring`, or `threads` and why. `uringError` as in NativeIoEngine. */
export const describeBackend = (uringError: number): string =>
  uringError === 0 ? 'io_uring' : uringError < 0 ? 'threads, as asked' : `threads: ${uringRefusal(uringError)}`
