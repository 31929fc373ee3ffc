import { reasonOf } from '../errors'
import type { HandlerLog } from '../handler/types'
import { DeviceFolder, type Roots } from './configfs'
import type { UioDevice } from './uio-scan'

/** What becomes of commands that a former daemon or process left in the ring: initiators try again, or are told that they failed. */
export type ResetPolicy = 'retry' | 'fail'
export const defaultReset: ResetPolicy = 'retry'

export interface TakeOverParts {
  readonly roots: Roots
  readonly log: HandlerLog
  readonly resetRing?: ResetPolicy | undefined
}

/**
 * Begin to serve a device. One that was served before is blocked meanwhile, and what is in its ring is given up, but only once `node`
 * has the device: who served it before may still be at it until then. Freed again whatever happens; `node` is closed on failure.
 */
export async function takeOver<N extends { close(): void }, T>(
  at: UioDevice, parts: TakeOverParts, existing: boolean, open: () => Promise<N>, serve: (node: N) => Promise<T>,
): Promise<T> {
  const folder = new DeviceFolder(parts.roots, at)
  const blocked = existing && (await folder.block(true))
  try {
    const node = await open()
    try {
      if (blocked) await folder.resetRing(parts.resetRing ?? defaultReset)
      return await serve(node)
    } catch (e) {
      node.close()
      throw e
    }
  } finally {
    if (blocked) await unblock(folder, at, parts.log)
  }
}

/** Never rejects. */
export async function unblock(folder: DeviceFolder, at: UioDevice, log: HandlerLog): Promise<void> {
  await folder.block(false).catch((e: unknown) => log.error(`${at.device} stays blocked: ${reasonOf(e)}`))
}
