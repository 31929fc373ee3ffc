import type { PortGroupConfig } from './control'
import type { DeviceRuntime } from './device'
import { OwnPortGroup } from './device/one-group'
import { accessState, type AccessState, Status, transitionCause } from './scsi'

const states: Readonly<Record<NonNullable<PortGroupConfig['state']>, AccessState>> = {
  optimized: accessState.OPTIMIZED, 'non-optimized': accessState.NON_OPTIMIZED, standby: accessState.STANDBY, unavailable: accessState.UNAVAILABLE,
  transitioning: accessState.TRANSITIONING,
}

/** The target port group that the portal of a host is, on all its devices. */
export class PortalGroup {
  private readonly groups = new Map<DeviceRuntime, OwnPortGroup>()

  constructor(private config: PortGroupConfig) {}

  get id(): number {
    return this.config.id
  }
  get relativePort(): number {
    return this.config.port ?? this.config.id
  }

  attach(device: DeviceRuntime): void {
    const { id, relativePort } = this
    const group = new OwnPortGroup(
      { id, relativePort, state: states[this.config.state ?? 'optimized'], preferred: this.config.preferred ?? false },
      () => device.attention(Status.ACCESS_STATE_CHANGED),
    )
    this.groups.set(device, group)
    device.usePortGroups(group)
  }

  /** Take another state, which initiators are told of; numbers stay until the next start. */
  change(state: PortGroupConfig['state'] = 'optimized'): void {
    this.config = { ...this.config, state }
    for (const group of this.groups.values()) void group.setState(this.id, states[state], transitionCause.IMPLICIT)
  }
}
