import { LogLines, ramHandler, testDevice, type TestDeviceOptions } from '@tcmu/host/testing'
import type { LogicalUnit } from '@tcmu/host/scsi'
import type { BlocksHandler } from '@tcmu/host/handler'
import { createPortal, type Portal, type PortalOptions } from '..'
import { Initiator, keys } from './initiator'

export interface Bench {
  readonly portal: Portal
  readonly port: number
  readonly log: LogLines
  readonly login: (more?: Readonly<Record<string, string>>, isid?: Uint8Array<ArrayBuffer>) => Promise<Initiator>
}

export const disk = (handler: BlocksHandler = ramHandler, options: TestDeviceOptions = {}): Promise<LogicalUnit> => testDevice(handler, options)

/** A portal on 127.0.0.1 with LUN 0 in memory, or with the LUNs given; `end` closes every one that was made. */
export class Portals {
  private readonly open: { portal: Portal; initiators: Initiator[] }[] = []

  async make(options: Partial<PortalOptions> = {}): Promise<Bench> {
    const log = new LogLines()
    const portal = createPortal({ address: '127.0.0.1', port: 0, targetName: keys.TargetName, luns: new Map([[0, await disk()]]), log, ...options })
    const { port } = await portal.listen()
    const initiators: Initiator[] = []
    this.open.push({ portal, initiators })
    return {
      portal, port, log,
      login: async (more, isid) => {
        const i = await Initiator.login(port, more, isid)
        initiators.push(i)
        return i
      },
    }
  }

  async end(): Promise<void> {
    for (const { portal, initiators } of this.open.splice(0)) {
      for (const i of initiators) i.close()
      await portal.close(0)
    }
  }
}
