import type { PortGroupConfig } from './control'
import type { DeviceRuntime } from './device'
import { OwnPortGroup } from './device/one-group'
import { accessState, type AccessState, Status, tpgs, transitionCause } from './scsi'

const states: Readonly<Record<NonNullable<PortGroupConfig['state']>, AccessState>> = {
  optimized: accessState.OPTIMIZED, 'non-optimized': accessState.NON_OPTIMIZED, standby: accessState.STANDBY, unavailable: accessState.UNAVAILABLE,
  transitioning: accessState.TRANSITIONING,
}
const relativePort = ({ id, port }: Pick<PortGroupConfig, 'id' | 'port'>): number => port ?? id

/** The target port group that the portal of a host is, on all its devices. */
export class PortalGroup {
  private readonly groups = new Map<DeviceRuntime, OwnPortGroup>()

  constructor(private config: PortGroupConfig) {}

  get id(): number {
    return this.config.id
  }
  get relativePort(): number {
    return relativePort(this.config)
  }
  private get explicit(): boolean {
    return this.config.access === 'explicit'
  }

  attach(device: DeviceRuntime): void {
    const { id, config, explicit } = this
    const group = new OwnPortGroup(
      {
        id, relativePort: this.relativePort, preferred: config.preferred ?? false, tpgs: explicit ? tpgs.EXPLICIT : tpgs.IMPLICIT,
        state: states[config.state ?? (explicit ? 'standby' : 'optimized')], others: config.others?.map((other) => ({ id: other.id, relativePort: relativePort(other) })),
      },
      (by) => device.attention(Status.ACCESS_STATE_CHANGED, by),
    )
    this.groups.set(device, group)
    device.usePortGroups(group)
  }

  /** Take another state, which initiators are told of, unless it is theirs to change; the rest stays until the next start. */
  change(state: PortGroupConfig['state'] = 'optimized'): void {
    if (this.explicit) return
    this.config = { ...this.config, state }
    for (const group of this.groups.values()) void group.setState(this.id, states[state], transitionCause.IMPLICIT)
  }
}
