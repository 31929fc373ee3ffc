import type { Extent } from '@tcmu/host/handler'

/** A range without gaps, of pairs of numbers: where something is stored, and how much. */
export function extentsOf(stored: readonly number[], offset: number, length: number): readonly Extent[] {
  const found: Extent[] = []
  const end = offset + length
  let at = offset
  const add = (to: number, state: Extent['state']): void => {
    const until = Math.min(to, end)
    if (until > at) found.push({ offset: at, length: until - at, state })
    at = Math.max(at, until)
  }
  for (let i = 0; i < stored.length; i += 2) {
    add(stored[i]!, 'deallocated')
    add(stored[i]! + stored[i + 1]!, 'mapped')
  }
  add(end, 'deallocated')
  return found
}
