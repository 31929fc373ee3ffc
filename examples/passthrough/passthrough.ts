import { defineHandler, Status } from '@tcmu/host'
import { Forwarder, type LogicalUnit, type Lun, type Nexus } from '@tcmu/host/scsi'

/** A disk that is another one: commands go there as they come, and answers come back as they are. */
class Passthrough {
  private forwarder: Forwarder | undefined

  constructor(private readonly name: string) {}

  /** The unit of that name among those that the initiator reaches through the front end. */
  to(lun: Lun, nexus: Nexus): Forwarder | undefined {
    if (this.forwarder) return this.forwarder
    const unit = [...lun.neighbours(nexus)].find((u: LogicalUnit) => u.name === this.name && u !== lun)
    return (this.forwarder = unit && new Forwarder(unit))
  }

  leave(nexus: Nexus): void {
    this.forwarder?.leave(nexus)
  }

  close(): void {
    this.forwarder?.close()
  }
}

/** `passthrough/NAME`: the LUN of that name, of the same host. */
export const passthrough = defineHandler({
  subtype: 'passthrough',
  checkConfig: (name) => name !== '' || 'the name of another LUN is missing; write passthrough/ and then the name',
  open: (dev) => new Passthrough(dev.config),
  close: (state) => state.close(),
  nexusLost: (state, nexus) => state.leave(nexus),
  handleCmd: (state, task, lun) => state.to(lun, task.nexus)?.forward(task) ?? Status.NOT_READY_DEVICE,
})
