import type { Lun, Space } from '../scsi'
import { thresholdResources } from '../scsi/mode-pages/provisioning'
import { Status } from '../scsi/status'
import { thresholdsOf } from '../scsi/medium'
import { thresholdSetBytes } from '../scsi/vpd/block'

/** How often storage is looked at while a threshold is set: what an administrator can act upon takes longer to come about. */
const PERIOD_MS = 5000

/**
 * Tells when the storage of a thinly provisioned device crosses a threshold that an initiator has set (SBC-3 4.7.3.8): once
 * for each crossing. Nothing runs while none is set.
 */
export class SpaceWatch {
  private timer: NodeJS.Timeout | undefined
  private readonly crossed = thresholdResources.map(() => false)

  /** `failed` is told when the handler cannot say how much there is. */
  constructor(private readonly lun: Lun, private readonly failed: (e: unknown) => void) {}

  /** Look whether there is something to watch; called when mode parameters may have changed. */
  update(): void {
    const wanted = this.lun.modes.lbpere && thresholdsOf(this.lun) && this.lun.modes.thresholds.some((t) => t.enabled)
    if (wanted === (this.timer !== undefined)) return
    clearInterval(this.timer)
    this.timer = undefined
    if (!wanted) return
    this.timer = setInterval(() => void this.look(), PERIOD_MS).unref()
    void this.look()
  }

  /** Resolves when the storage has been compared with the thresholds. */
  async look(): Promise<void> {
    try {
      const space = await this.lun.ops.space!()
      thresholdResources.forEach((_, i) => this.compare(i, space))
    } catch (e) {
      this.failed(e)
    }
  }

  private compare(i: number, space: Space): void {
    const { name, arming } = thresholdResources[i]!
    const { enabled, count } = this.lun.modes.thresholds[i]!
    const sets = Math.floor(space[name] / thresholdSetBytes(this.lun))
    const beyond = enabled && (arming === 0 ? sets <= count : sets >= count)
    const news = beyond && !this.crossed[i]
    this.crossed[i] = beyond
    if (news) this.lun.attention(Status.SOFT_THRESHOLD)
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
  }
}
