import { accessState, type AccessState, type Nexus, type PortGroup, transitionCause } from '../scsi'
import type { PortGroupSource } from './alua'

/** A port group, and the one port of it that is known of. */
export interface GroupPort {
  /** 1 to 65535; hosts with the same disk have different ones. */
  readonly id: number
  readonly relativePort: number
}

/** The port group of a portal, as an operator has it. */
export interface OwnGroup extends GroupPort {
  readonly state: AccessState
  readonly preferred: boolean
  /** `tpgs.IMPLICIT`: the operator changes the state; `tpgs.EXPLICIT`: initiators do. */
  readonly tpgs: number
  /** Groups of other hosts; whether they are active is for the holder of the lock to say. */
  readonly others?: readonly GroupPort[]
}

const supported: ReadonlySet<AccessState> = new Set([
  accessState.OPTIMIZED, accessState.NON_OPTIMIZED, accessState.STANDBY, accessState.UNAVAILABLE, accessState.TRANSITIONING,
])

/** The group whose ports a portal of this host is, and what it knows of those of other hosts. */
export class OwnPortGroup implements PortGroupSource {
  readonly tpgs: number
  readonly transitionSeconds = 0
  readonly own: number
  groups: readonly PortGroup[]

  constructor(group: OwnGroup, private readonly changed: (by: Nexus | undefined) => void = () => undefined) {
    this.own = group.id
    this.tpgs = group.tpgs
    const rows = [group, ...(group.others ?? []).map((other) => ({ ...other, state: accessState.STANDBY, preferred: false }))]
    this.groups = rows.map(({ id, state, preferred, relativePort }) => ({ id, state, supported, preferred, cause: transitionCause.NONE, ports: [relativePort] }))
  }

  refresh(): undefined {
    return undefined
  }

  setState(id: number, state: AccessState, cause: number, by?: Nexus): Promise<boolean> {
    const group = this.groups.find((g) => g.id === id)
    if (!group) return Promise.resolve(false)
    if (group.state !== state) {
      this.groups = this.groups.map((g) => (g === group ? { ...g, state, cause } : g))
      this.changed(by)
    }
    return Promise.resolve(true)
  }

  stateOf(): AccessState {
    return this.groups[0]!.state
  }

  watch(): void {
    // The groups stay the same.
  }
}
