import type { PortGroupSource } from '../device'
import { accessState, type AccessState, type PortGroup, tpgs, transitionCause } from '../scsi'

const all: ReadonlySet<AccessState> = new Set(Object.values(accessState))

/** A group with every state, the first port of its number. */
export const portGroup = (id: number, more: Partial<PortGroup> = {}): PortGroup =>
  ({ id, state: accessState.OPTIMIZED, supported: all, preferred: false, cause: transitionCause.NONE, ports: [id], ...more })

/** Target port groups in memory, in place of a front end's. */
export class MemoryPortGroups implements PortGroupSource {
  transitionSeconds = 0
  groups: readonly PortGroup[]
  /** States recorded, in order. */
  readonly recorded: (readonly [id: number, state: AccessState, cause: number])[] = []
  /** Groups whose state cannot be recorded. */
  readonly stuck = new Set<number>()
  refreshed = 0
  private fn: () => void = () => undefined

  constructor(private kind: number = tpgs.BOTH, groups: readonly PortGroup[] = [portGroup(1), portGroup(2, { state: accessState.STANDBY })], public own: number | undefined = 1) {
    this.groups = groups
  }

  get tpgs(): number {
    return this.kind
  }
  set tpgs(kind: number) {
    this.kind = kind
    this.fn()
  }

  refresh(): Promise<void> {
    this.refreshed++
    return Promise.resolve()
  }

  setState(id: number, state: AccessState, cause: number): Promise<boolean> {
    if (this.stuck.has(id)) return Promise.resolve(false)
    this.recorded.push([id, state, cause])
    this.groups = this.groups.map((g) => (g.id === id ? { ...g, state, cause } : g))
    return Promise.resolve(true)
  }

  watch(fn: () => void): void {
    this.fn = fn
  }
}
