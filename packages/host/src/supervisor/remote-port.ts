import { closeSync } from 'node:fs'
import type { NativeCore, NativeUioMap } from '../platform'

/** Mailbox and entries; a transfer of 8 MiB in blocks of 64 KiB takes 2 KiB of them. */
export const RING_BYTES = 64 * 1024
/** Memory of it is only there once it was used. */
export const DATA_BYTES = 64 * 1024 * 1024
export const BLOCK_BYTES = 64 * 1024
export const shape = { ringBytes: RING_BYTES, blockBytes: BLOCK_BYTES } as const

/** Shared memory with a doorbell either way, and the descriptors that make another process its other side. */
export interface SharedRing {
  readonly map: NativeUioMap
  /** Memory, doorbell the other side rings, doorbell it hears. */
  readonly peer: readonly [memory: number, rings: number, hears: number]
  /** Closes `peer`; the map stays. */
  release(): void
}

export function sharedRing(core: NativeCore): SharedRing {
  const size = RING_BYTES + DATA_BYTES
  const memory = core.memfd(size)
  const [toUs, toThem] = [core.eventfd(), core.eventfd()]
  // The map takes its doorbells; the other side gets duplicates of them, through the same descriptors.
  const map = new core.UioMap(memory, size, toUs, toThem, 8)
  return { map, peer: [memory, toUs, toThem], release: () => closeSync(memory) }
}
