import { zoneType as t } from '@tcmu/host/scsi'
import type { ZoneShape } from './zone'
import type { ZbcOptions } from './options'

export const MiB = 2 ** 20
const DEFAULT_ZONE_MIB = 256
const DEFAULT_OPEN = 128

/** What a plain zoned disk is like. Sizes in logical blocks, but for `lbaBytes`. */
export interface Geometry {
  readonly hostManaged: boolean
  readonly lbaBytes: number
  readonly physicalExponent: number
  readonly zoneBlocks: number
  readonly zones: number
  readonly conventional: number
  readonly openLimit: number
  readonly capacity: number
  readonly restrictedReads: boolean
}

export const clampOpen = (open: number, sequential: number): number => (open >= Math.floor(sequential / 2) ? Math.max(1, Math.floor(sequential / 2)) : open)

/** The geometry of a new disk of `sizeBytes`; a sentence when there is none. */
export function geometryOf(o: Partial<ZbcOptions>, sizeBytes: number): Geometry | string {
  const lbaBytes = o.lba ?? 512
  const capacity = Math.floor(sizeBytes / lbaBytes)
  const zoneBlocks = ((o.zsize ?? DEFAULT_ZONE_MIB) * MiB) / lbaBytes
  const zones = Math.ceil(capacity / zoneBlocks)
  if (zones > 2 ** 24) return `it would have ${zones} zones; make them larger with zsize`
  const conventional = o.conv ?? Math.max(1, Math.floor(zones / 100))
  if (conventional >= zones) return `Too many conventional zones: ${conventional} of ${zones}`
  return {
    hostManaged: o.model !== 'HA', lbaBytes, physicalExponent: Math.log2((o.phys ?? lbaBytes) / lbaBytes), zoneBlocks, zones, conventional, capacity,
    openLimit: clampOpen(o.open ?? DEFAULT_OPEN, zones - conventional), restrictedReads: o.urswrz === false,
  }
}

/** The zones of a plain disk: conventional ones first, data in the order of LBAs. The last one may be short. */
export function shapesOf(g: Geometry, dataOffset: number): ZoneShape[] {
  const sequential = g.hostManaged ? t.SEQUENTIAL_REQUIRED : t.SEQUENTIAL_PREFERRED
  return Array.from({ length: g.zones }, (_, i) => ({
    start: i * g.zoneBlocks, length: Math.min(g.zoneBlocks, g.capacity - i * g.zoneBlocks), offset: dataOffset + i * g.zoneBlocks * g.lbaBytes,
    type: i < g.conventional ? t.CONVENTIONAL : sequential,
  }))
}
