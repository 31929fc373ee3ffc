import { Buffer } from 'node:buffer'
import { Registrants } from './registrants'

/** What an initiator should get. Without `data`, none; `information` only where the standards define it. */
export interface Expected {
  readonly status: number
  readonly key?: number
  readonly asc?: number
  readonly data?: Uint8Array
  readonly information?: number
}
export const good = (data: Uint8Array = new Uint8Array(0)): Expected => ({ status: 0x00, data })
export const check = (key: number, asc: number, information?: number): Expected => ({ status: 0x02, key, asc, ...(information !== undefined && { information }) })
export const conflict: Expected = { status: 0x18 }
export const illegal = { field: check(5, 0x2400), list: check(5, 0x2600), opcode: check(5, 0x2000), release: check(5, 0x2604) } as const
const STOPPED = check(2, 0x0402)
const PROTECTED = check(7, 0x2700)

/** How commands use the unit, as SPC-4 and SBC-3 list them. */
export interface Use {
  /** What a reservation of another nexus shuts out. */
  readonly conflicts: 'never' | 'read' | 'write'
  readonly writes?: boolean
  /** Answered while a unit attention waits. */
  readonly silent?: boolean
  readonly whileStopped?: boolean
}

export const BLOCK = 512

/** A disk as the standards describe it, with nothing that makes a real one fast or safe. */
export class Model {
  readonly bytes: Buffer
  /** Blocks that have storage. */
  readonly mapped: boolean[]
  readonly registrants: Registrants
  readonly attentions: number[][]
  dSense = false
  swp = false
  wce = true
  stopped = false

  constructor(readonly blocks: number, readonly initiators: number) {
    this.bytes = Buffer.alloc(blocks * BLOCK)
    this.mapped = new Array<boolean>(blocks).fill(false)
    this.attentions = Array.from({ length: initiators }, () => [])
    this.registrants = new Registrants((who, asc) => this.attend(who, asc))
  }

  attend(who: number, asc: number): void {
    const queue = this.attentions[who]!
    if (!queue.includes(asc)) queue.push(asc)
  }
  attendOthers(who: number, asc: number): void {
    for (let i = 0; i < this.initiators; i++) if (i !== who) this.attend(i, asc)
  }

  /** LOGICAL UNIT RESET: mode parameters as after power on, everybody is told. */
  reset(): void {
    this.dSense = this.swp = false
    this.wce = true
    this.attendOthers(-1, 0x2903)
  }

  /** What ends a command before it looks at its own fields. */
  admit(who: number, use: Use, malformed = false): Expected | undefined {
    const waiting = use.silent ? undefined : this.attentions[who]!.shift()
    if (waiting !== undefined) return check(6, waiting)
    if (use.conflicts !== 'never' && this.registrants.conflicts(who, use.conflicts)) return conflict
    if (malformed) return illegal.field
    if (use.writes && this.swp) return PROTECTED
    return this.stopped && !use.whileStopped ? STOPPED : undefined
  }

  outside(lba: number, blocks: number): Expected | undefined {
    return lba >= this.blocks || blocks > this.blocks - lba ? check(5, 0x2100, lba) : undefined
  }

  read(lba: number, blocks: number): Buffer {
    return Buffer.from(this.bytes.subarray(lba * BLOCK, (lba + blocks) * BLOCK))
  }
  write(lba: number, data: Uint8Array): void {
    this.bytes.set(data, lba * BLOCK)
    this.mapped.fill(true, lba, lba + data.length / BLOCK)
  }
  unmap(lba: number, blocks: number): void {
    this.bytes.fill(0, lba * BLOCK, (lba + blocks) * BLOCK)
    this.mapped.fill(false, lba, lba + blocks)
  }
}
