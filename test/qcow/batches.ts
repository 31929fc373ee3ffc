import { Dice, KiB } from './lib'

/** Commands of one batch, for a process that is killed and for whoever looks at what it left: both make the same. */
export interface Command {
  readonly kind: 'write' | 'zero' | 'unmap'
  /** In slots. */
  readonly first: number
  readonly count: number
  readonly fill: number
}

export const SLOT = 4 * KiB
const COMMANDS = 60

/** No slot is in two commands of a batch. `unit`: slots of a cluster, for what is unmapped. */
export function batch(seed: number, number: number, slots: number, unit: number): Command[] {
  const dice = new Dice(seed * 7919 + number)
  const taken = new Set<number>()
  const out: Command[] = []
  for (let i = 0; i < COMMANDS; i++) {
    const pick = dice.below(10)
    const kind = pick < 7 ? 'write' : pick < 8 ? 'zero' : 'unmap'
    const wanted = 1 + dice.below(kind === 'write' ? 6 : 24)
    const at = dice.below(slots)
    const first = kind === 'unmap' ? Math.floor(at / unit) * unit : at
    const count = Math.min(slots - first, kind === 'unmap' ? Math.ceil(wanted / unit) * unit : wanted)
    const range = Array.from({ length: count }, (_, k) => first + k)
    if (range.some((s) => taken.has(s))) continue
    for (const s of range) taken.add(s)
    out.push({ kind, first, count, fill: 1 + dice.below(255) })
  }
  return out
}

/** What the slots of a command hold after it. */
export const valueOf = (c: Command): number => (c.kind === 'write' ? c.fill : 0)
