import { closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { tcmuError } from '../errors'
import type { NativeCore } from '../platform'
import { codeOf, type Roots } from './configfs'
import type { UioMap } from './port'

/** A UIO device that is open, which it is once at a time: whoever has this can map it, and hand the descriptor on. */
export interface UioNode {
  readonly fd: number
  map(size: number): UioMap
  /** What was mapped stays so. Twice is fine. */
  close(): void
}

export function openUioNode(native: NativeCore, path: string): UioNode {
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  let open = true
  const close = (): void => {
    if (open) closeSync(fd)
    open = false
  }
  return { fd, map: (size) => new native.UioMap(fd, size), close }
}

/** udev or a container's /dev may be later than the kernel. */
const MISSING_MS = 1000
/** A former daemon, or a process of its handlers, is killed and not gone yet. */
const BUSY_MS = 10_000
const PAUSE_MS = 50

/** Open a device as soon as it is there and nobody else has it. Rejects with E_UIO_BUSY, or what `open` threw. */
export async function whenFree<T>(roots: Roots, minor: number, open: (path: string) => T): Promise<T> {
  const path = join(roots.dev, `uio${minor}`)
  const began = performance.now()
  for (;;) {
    try {
      return open(path)
    } catch (e) {
      const patience = ({ ENOENT: MISSING_MS, EBUSY: BUSY_MS } as Readonly<Record<string, number>>)[codeOf(e) ?? '']
      if (patience === undefined) throw e
      if (performance.now() - began >= patience) throw codeOf(e) === 'EBUSY' ? tcmuError('E_UIO_BUSY', { path, seconds: patience / 1000 }, { cause: e }) : e
      await sleep(PAUSE_MS)
    }
  }
}
