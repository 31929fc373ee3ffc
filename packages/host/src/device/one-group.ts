import { accessState, type AccessState, type PortGroup, tpgs, transitionCause } from '../scsi'
import type { PortGroupSource } from './alua'

/** The port group of a portal, as an operator has it. */
export interface OwnGroup {
  /** 1 to 65535; other hosts with the same disk have others. */
  readonly id: number
  readonly state: AccessState
  readonly preferred: boolean
  readonly relativePort: number
}

const supported: ReadonlySet<AccessState> = new Set([
  accessState.OPTIMIZED, accessState.NON_OPTIMIZED, accessState.STANDBY, accessState.UNAVAILABLE, accessState.TRANSITIONING,
])

/** The one group whose ports a portal of this host is; its state is changed by the operator, never by an initiator. */
export class OwnPortGroup implements PortGroupSource {
  readonly tpgs = tpgs.IMPLICIT
  readonly transitionSeconds = 0
  readonly own: number
  groups: readonly PortGroup[]

  constructor(group: OwnGroup, private readonly changed: () => void = () => undefined) {
    this.own = group.id
    this.groups = [{ id: group.id, state: group.state, supported, preferred: group.preferred, cause: transitionCause.NONE, ports: [group.relativePort] }]
  }

  refresh(): undefined {
    return undefined
  }

  setState(id: number, state: AccessState, cause: number): Promise<boolean> {
    const [group] = this.groups
    if (group?.id !== id) return Promise.resolve(false)
    if (group.state !== state) {
      this.groups = [{ ...group, state, cause }]
      this.changed()
    }
    return Promise.resolve(true)
  }

  stateOf(): AccessState {
    return this.groups[0]!.state
  }

  watch(): void {
    // There is always one group.
  }
}
