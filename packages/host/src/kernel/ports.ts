import { join } from 'node:path'
import { reasonOf } from '../errors'
import type { HandlerLog } from '../handler/types'
import { association, designatorType, nameString, type PortIdentity, portNumber, protocol } from '../scsi'
import { readText, type Roots, writeValue } from './configfs'

/** A LUN of a target port group of LIO's, as `members` of an ALUA group names it. */
export interface Port {
  /** Folder of its target portal group. */
  readonly tpg: string
  readonly wwn: string
  readonly tag: number
  /** Fabrics that cannot be switched off are always on. */
  readonly enabled: boolean
  /** Relative target port identifier; undefined where the kernel does not say. */
  readonly relativePort: number | undefined
  readonly protocol: number
}

/** Where the name of a fabric and of its folder differ. */
const folders: ReadonlyMap<string, string> = new Map([['iSCSI', 'iscsi']])
/** Protocol identifiers (SPC-4 7.6.1) for kernels that do not say. */
const protocols: ReadonlyMap<string, number> = new Map([['iscsi', protocol.ISCSI], ['loopback', protocol.SAS], ['vhost', protocol.SAS]])

const MEMBER = /^([^/]+)\/([^/]+)\/tpgt_(\d{1,5})\/(lun_\d{1,20})$/
const plain = (name: string): boolean => name !== '.' && name !== '..'

async function numberIn(path: string): Promise<number | undefined> {
  const text = (await readText(path).catch(() => undefined))?.replace(/[\n\0]+$/, '').trim()
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

/** Look up a member; undefined when the line is none. */
export async function portOf(roots: Roots, line: string): Promise<Port | undefined> {
  const [, fabric, wwn, tag, lun] = MEMBER.exec(line) ?? []
  if (fabric === undefined || wwn === undefined || lun === undefined || !plain(fabric) || !plain(wwn)) return undefined
  const folder = folders.get(fabric) ?? fabric
  const tpg = join(roots.configfs, 'target', folder, wwn, `tpgt_${tag}`)
  const statistics = join(tpg, 'lun', lun, 'statistics')
  const [enable, relativePort, said] = await Promise.all([
    numberIn(join(tpg, 'enable')), numberIn(join(statistics, 'scsi_port/indx')), numberIn(join(statistics, 'scsi_transport/proto_id')),
  ])
  return { tpg, wwn, tag: Number(tag), enabled: enable !== 0, relativePort, protocol: said ?? protocols.get(folder) ?? protocol.FCP }
}

/** What a port adds to page 83h (SPC-4 7.8.6). */
export function identityOfPort(port: Port, group: number): PortIdentity {
  const of = port.protocol
  return {
    designators: [
      ...(port.relativePort === undefined ? [] : [portNumber(designatorType.RELATIVE_TARGET_PORT, port.relativePort, of)]),
      portNumber(designatorType.TARGET_PORT_GROUP, group, of),
      nameString(`${port.wwn},t,0x${port.tag.toString(16).padStart(4, '0')}`, association.TARGET_PORT, of),
      nameString(port.wwn, association.TARGET_DEVICE, of),
    ],
  }
}

interface Closed {
  readonly devices: Set<object>
  /** Writes to `enable`, in order. */
  work: Promise<void>
}

/**
 * Keeps target portal groups switched off while a device behind them cannot reach its backend, so that initiators take another
 * path at once. Devices of one portal group share it: it comes back when the last of them does.
 */
export class PortSwitch {
  private readonly closed = new Map<string, Closed>()

  constructor(private readonly log: HandlerLog) {}

  /** Switch it off for a device. */
  off(tpg: string, device: object): void {
    const there = this.closed.get(tpg)
    if (there) {
      there.devices.add(device)
      return
    }
    const entry: Closed = { devices: new Set([device]), work: Promise.resolve() }
    this.closed.set(tpg, entry)
    this.log.warn(`${tpg} is switched off until its devices are back; initiators have another path`)
    entry.work = this.write(tpg, '0')
  }

  /** A device is back, or gone. Resolves when all that is to be written is. */
  async on(device: object): Promise<void> {
    const work: Promise<void>[] = []
    for (const [tpg, entry] of this.closed) {
      if (!entry.devices.delete(device) || entry.devices.size > 0) continue
      this.closed.delete(tpg)
      work.push(entry.work.then(() => this.write(tpg, '1')).then(() => this.log.info(`${tpg} is switched on again`)))
    }
    await Promise.all(work)
  }

  private async write(tpg: string, value: '0' | '1'): Promise<void> {
    try {
      await writeValue(join(tpg, 'enable'), value)
    } catch (e) {
      this.log.error(`${tpg}/enable: ${value} was not taken: ${reasonOf(e)}`)
    }
  }
}
