import { type Expected, conflict, good, illegal } from './model'

const types: readonly number[] = [1, 3, 5, 6, 7, 8]
const allRegistrants = (type: number): boolean => type === 7 || type === 8
const forRegistrants = (type: number): boolean => type >= 5
const exclusive = (type: number): boolean => type === 3 || type === 6 || type === 8
const RELEASED = 0x2a04
const CLEARED = 0x2a03
const PREEMPTED = 0x2a05

export interface OutParameters {
  readonly key: number
  readonly newKey: number
  readonly type: number
}

/** Persistent reservations among initiators, as SPC-4 5.13 has them: one path each, one unit. */
export class Registrants {
  readonly keys = new Map<number, number>()
  generation = 0
  held: { type: number; holder: number } | undefined
  constructor(private readonly tell: (who: number, asc: number) => void) {}

  private holds(who: number): boolean {
    return this.held !== undefined && (allRegistrants(this.held.type) ? this.keys.has(who) : this.held.holder === who)
  }

  conflicts(who: number, use: 'read' | 'write'): boolean {
    if (!this.held || this.holds(who)) return false
    if (this.keys.has(who) && forRegistrants(this.held.type)) return false
    return use === 'write' || exclusive(this.held.type)
  }

  private tellOthers(who: number, asc: number): void {
    for (const other of this.keys.keys()) if (other !== who) this.tell(other, asc)
  }

  register(who: number, p: OutParameters, ignore: boolean): Expected {
    if (!ignore && (this.keys.get(who) ?? 0) !== p.key) return conflict
    if (p.newKey !== 0) {
      this.keys.set(who, p.newKey)
      this.generation++
    } else if (this.keys.has(who)) this.unregister(who)
    return good()
  }

  private unregister(who: number): void {
    const held = this.held
    const ends = held && (allRegistrants(held.type) ? this.keys.size === 1 : held.holder === who)
    this.keys.delete(who)
    this.generation++
    if (!ends) return
    this.held = undefined
    if (forRegistrants(held.type)) this.tellOthers(who, RELEASED)
  }

  private known(who: number, p: OutParameters): boolean {
    return this.keys.has(who) && this.keys.get(who) === p.key
  }

  reserve(who: number, p: OutParameters): Expected {
    if (!this.known(who, p)) return conflict
    if (!types.includes(p.type)) return illegal.field
    if (!this.held) this.held = { type: p.type, holder: who }
    else if (!this.holds(who) || this.held.type !== p.type) return conflict
    return good()
  }

  release(who: number, p: OutParameters): Expected {
    if (!this.known(who, p)) return conflict
    if (!types.includes(p.type)) return illegal.field
    if (!this.held || !this.holds(who)) return good()
    if (this.held.type !== p.type) return illegal.release
    this.held = undefined
    if (forRegistrants(p.type)) this.tellOthers(who, RELEASED)
    return good()
  }

  clear(who: number, p: OutParameters): Expected {
    if (!this.known(who, p)) return conflict
    this.tellOthers(who, CLEARED)
    this.keys.clear()
    this.held = undefined
    this.generation++
    return good()
  }

  preempt(who: number, p: OutParameters): Expected {
    if (!this.known(who, p)) return conflict
    const held = this.held
    const everybody = held !== undefined && allRegistrants(held.type)
    if (p.newKey === 0) return everybody ? this.seize(who, p, [...this.keys.keys()]) : illegal.list
    const named = [...this.keys].filter(([, key]) => key === p.newKey).map(([other]) => other)
    if (held && !everybody && named.includes(held.holder)) return this.seize(who, p, named)
    if (named.length === 0) return conflict
    for (const other of named) {
      this.keys.delete(other)
      if (other !== who) this.tell(other, PREEMPTED)
    }
    if (everybody && this.keys.size === 0) this.held = undefined
    this.generation++
    return good()
  }

  /** The reservation becomes that of `who`; those named lose their registrations. */
  private seize(who: number, p: OutParameters, named: readonly number[]): Expected {
    if (!types.includes(p.type)) return illegal.field
    const changed = this.held!.type !== p.type
    for (const other of named) {
      if (other === who) continue
      this.keys.delete(other)
      this.tell(other, PREEMPTED)
    }
    if (changed) this.tellOthers(who, RELEASED)
    this.held = { type: p.type, holder: who }
    this.generation++
    return good()
  }

  /** READ KEYS and READ RESERVATION data. */
  readKeys(): Buffer {
    const out = Buffer.alloc(8 + 8 * this.keys.size)
    out.writeUInt32BE(this.generation, 0)
    out.writeUInt32BE(out.length - 8, 4)
    ;[...this.keys.values()].forEach((key, i) => out.writeUInt32BE(key, 12 + 8 * i))
    return out
  }
  readReservation(): Buffer {
    const out = Buffer.alloc(this.held ? 24 : 8)
    out.writeUInt32BE(this.generation, 0)
    out.writeUInt32BE(out.length - 8, 4)
    if (!this.held) return out
    if (!allRegistrants(this.held.type)) out.writeUInt32BE(this.keys.get(this.held.holder)!, 12)
    out[21] = this.held.type
    return out
  }
}
