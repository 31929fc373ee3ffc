import type { Group } from './submissions'

/** Operations of one file that are under way, so that one can wait for those begun before. */
export class Flights {
  group: Group = { live: 0, idle: undefined }
  private draining: Promise<void> = Promise.resolve()

  drained(): Promise<void> {
    const { group, draining } = this
    if (group.live === 0) return draining
    this.group = { live: 0, idle: undefined }
    const ended = new Promise<void>((resolve) => (group.idle = resolve))
    return (this.draining = Promise.all([draining, ended]).then(() => undefined))
  }
}
