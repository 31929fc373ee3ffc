import { quote, TcmuError, tcmuError } from '../errors'
import type { HostedDevice } from './hosted'
import { op, ReportZonesHeader, sam, zoneAction, ZoneDescriptor, ZoneIn } from '../scsi'

/** One zone as lists show it; LBAs and lengths in logical blocks. */
export interface ZoneRecord {
  readonly start: number
  readonly length: number
  /** ZBC-2 tables 2 and 3. */
  readonly type: number
  readonly condition: number
  /** Absent when the zone has none. */
  readonly writePointer?: number
  readonly nonSequential?: true
  readonly reset?: true
}

export interface ZoneList {
  readonly name: string
  readonly blockSize: number
  readonly zones: readonly ZoneRecord[]
}

const CHUNK_BYTES = 2 ** 19

type Asked = Pick<HostedDevice, 'name' | 'blockSize' | 'ask'>

/** One part of the report from `lba` on. Rejects with E_ZONES when the device refuses. */
async function report(unit: Asked, lba: number): Promise<Buffer> {
  const cdb = ZoneIn.encode({ op: op.ZBC_IN, serviceAction: zoneAction.REPORT_ZONES, lba, allocation: CHUNK_BYTES, partial: 1 })
  const { status, data } = await unit.ask(cdb, { in: CHUNK_BYTES })
  if (status === sam.GOOD) return data
  throw tcmuError('E_ZONES', { device: unit.name, reason: 'it does not answer REPORT ZONES; only zoned disks do' })
}

function recordOf(z: ReturnType<typeof ZoneDescriptor.decode>): ZoneRecord {
  return {
    start: z.start, length: z.length, type: z.type, condition: z.condition, ...(z.writePointer <= Number.MAX_SAFE_INTEGER && { writePointer: z.writePointer }),
    ...(z.nonSequential === 1 && { nonSequential: true as const }), ...(z.reset === 1 && { reset: true as const }),
  }
}

/** All zones of a unit, asked for as an initiator does. Rejects with E_ZONES. */
export async function zonesOf(unit: Asked): Promise<ZoneList> {
  const zones: ZoneRecord[] = []
  for (let lba = 0, last = 0; lba <= last;) {
    const bytes = await report(unit, lba)
    const header = ReportZonesHeader.decode(bytes)
    last = header.maximumLba
    const count = header.length / ZoneDescriptor.size
    for (let i = 0; i < count; i++) zones.push(recordOf(ZoneDescriptor.decode(bytes, ReportZonesHeader.size + i * ZoneDescriptor.size)))
    const end = zones.at(-1)
    if (count === 0 || !end) break
    lba = end.start + end.length
  }
  return { name: unit.name, blockSize: unit.blockSize, zones }
}

/** What the control socket answers to `zones` with `{"device": NAME}`. */
export const zonesMethod = (find: (name: string) => Asked | undefined) => ({
  zones: async (params: unknown): Promise<ZoneList> => {
    const device = (params as { device?: unknown } | undefined)?.device
    const unit = typeof device === 'string' ? find(device) : undefined
    if (!unit) throw new TcmuError('E_ZONES', `${quote(device)}: no device of this host has that name; \`tcmu-host devices\` lists them`)
    return zonesOf(unit)
  },
})
