import type { Pump, RingPort } from '../../../packages/host/src/device/pump'
import type { PumpedUnit } from '../../../packages/host/src/device/pump'
import type * as Abi from '../../../packages/host/src/ring/abi'

export interface Answer {
  readonly status: number
  /** Sense key, 0 for none. */
  readonly key: number
  readonly data: Uint8Array
  readonly aborted: boolean
}
export interface Initiator {
  /** Data beside sense data does not get through. */
  readonly dropsData?: boolean
  send(cdb: readonly number[], transfer?: { dataIn?: number | undefined; dataOut?: Uint8Array | undefined; abortAfter?: number }): Promise<Answer>
}
/** What a case does to a kernel besides sending commands. */
export interface Kernel {
  readonly words: Uint32Array
  readonly bytes: Uint8Array
  readonly abi: typeof Abi
  /** Offset of the entry at the tail in the mapping. */
  readonly entryAt: number
  kick(): void
  block(on: boolean): unknown
  reset(how: 'retry' | 'fail'): unknown
  freeKept(id: number): unknown
  abort?(id: number): void
  expire(id: number): unknown
  pause(ms: number): Promise<unknown>
}
export declare class UserSpace {
  constructor(parts: { Pump: typeof Pump; port: RingPort; unit: PumpedUnit })
  readonly pump: Pump
  unit: PumpedUnit | undefined
}
export declare const cases: Readonly<Record<string, (initiator: Initiator, user: UserSpace, kernel: Kernel) => Promise<void>>>
