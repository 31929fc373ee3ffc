import type { Nexus } from '@tcmu/host/scsi'

/** An I_T nexus of this target: initiator name and ISID on one side, our one portal group on the other (RFC 7143 4.4.1). */
export class IscsiNexus implements Nexus {
  /** Initiator port name, as in an iSCSI TransportID (SPC-4 7.6.4.6). */
  readonly name: string
  /** `isid`: 12 hexadecimal digits. */
  constructor(readonly initiator: string, readonly isid: string) {
    this.name = `${initiator},i,0x${isid}`
  }
}
