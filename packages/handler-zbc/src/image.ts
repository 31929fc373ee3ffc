import { type DeviceInfo, type IoFile, TcmuError } from '@tcmu/host/handler'
import type { Parsed } from './cfgstring'
import { type Geometry, geometryOf, MiB, shapesOf } from './geometry'
import { type Found, makeImage, newUuid, openFile, recognise, restoreOwn, restoreRunner } from './image-file'
import { Journal, ownRecords, runnerRecords } from './journal'
import { type ImageHeaderValue, placesOf } from './metadata'
import type { ZbcOptions } from './options'
import { isHostManaged, type RunnerHeaderValue } from './runner-image'
import { type ZonePolicy, ZoneTable } from './zones'

/** An open image: file, zones, and where their state is recorded. */
export interface Image {
  readonly file: IoFile
  readonly table: ZoneTable
  readonly journal: Journal
}
export interface ZbcImage extends Image {
  readonly geometry: Geometry
}

const HOST_MANAGED = 0
const HOST_AWARE = 1
export const ZONE_DOMAINS = 2

export const headerDefaults: ImageHeaderValue = {
  kind: HOST_MANAGED, forming: 0, restrictedReads: 0, sequence: 0, lbaBytes: 512, physicalBytes: 512, zoneBlocks: 0, zones: 0, conventional: 0, openLimit: 0, capacity: 0,
  dataOffset: 0, uuid: new Uint8Array(16), deviceType: 0, deviceModel: 0, realmBlocks: 0, gainPercent: 0, realmsFeature: 0, zonesPerActivation: 0,
  maxActivation: 0, initialType: 0, initialModel: 0, sizeBytes: 0,
}

const ownGeometry = (h: ImageHeaderValue): Geometry => ({
  hostManaged: h.kind === HOST_MANAGED, lbaBytes: h.lbaBytes, physicalExponent: Math.log2(h.physicalBytes / h.lbaBytes), zoneBlocks: h.zoneBlocks, zones: h.zones,
  conventional: h.conventional, openLimit: h.openLimit, capacity: h.capacity, restrictedReads: h.restrictedReads === 1,
})
const runnerGeometry = (h: RunnerHeaderValue): Geometry => ({
  hostManaged: isHostManaged(h), lbaBytes: h.lbaBytes, physicalExponent: h.physicalExponent & 7, zoneBlocks: h.zoneBlocks, zones: h.zones,
  conventional: h.conventional, openLimit: h.openLimit, capacity: h.capacity, restrictedReads: (h.restrictedReads & 1) === 1,
})

/** The first thing asked for that the image is not: its name, what was asked for, what is there. */
export function difference(o: Partial<ZbcOptions>, sizeBytes: number, g: Geometry): readonly [name: string, wanted: unknown, found: unknown] | undefined {
  const found: readonly (readonly [string, unknown, unknown])[] = [
    ['model', o.model, g.hostManaged ? 'HM' : 'HA'],
    ['lba', o.lba, g.lbaBytes],
    ['zsize', o.zsize, (g.zoneBlocks * g.lbaBytes) / MiB],
    ['conv', o.conv, g.conventional],
    ['size', sizeBytes === 0 ? undefined : Math.floor(sizeBytes / g.lbaBytes) * g.lbaBytes, g.capacity * g.lbaBytes],
  ]
  return found.find(([, wanted, is]) => wanted !== undefined && wanted !== is)
}

/** Limits and switches do not change what is in the file: the ones asked for now are used. */
function adjusted(g: Geometry, o: Partial<ZbcOptions>): Geometry {
  const asked = geometryOf({ ...o, conv: g.conventional, lba: g.lbaBytes as 512 | 4096, zsize: (g.zoneBlocks * g.lbaBytes) / MiB }, g.capacity * g.lbaBytes)
  if (typeof asked === 'string') return g
  return {
    ...g,
    ...(o.open !== undefined && { openLimit: asked.openLimit }),
    ...(o.phys !== undefined && { physicalExponent: asked.physicalExponent }),
    ...(o.urswrz !== undefined && { restrictedReads: asked.restrictedReads }),
  }
}

export const policyOf = (g: Geometry): ZonePolicy => ({
  openLimit: g.hostManaged ? g.openLimit : 0, unrestrictedReads: () => !g.restrictedReads, physicalExponent: g.physicalExponent, sobrFinish: false,
  mixedReads: !g.hostManaged, inactivePreferredReads: false,
})

async function openOwn(file: IoFile, header: ImageHeaderValue, geometry: Geometry, dev: DeviceInfo): Promise<ZbcImage> {
  const table = new ZoneTable(shapesOf(geometry, header.dataOffset), policyOf(geometry))
  const sequence = await restoreOwn(file, table.zones, dev.log)
  table.begin()
  return { file, geometry, table, journal: new Journal(file, ownRecords(table.zones.length), table.zones, sequence) }
}

async function openRunner(file: IoFile, dataOffset: number, geometry: Geometry, dev: DeviceInfo): Promise<ZbcImage> {
  const table = new ZoneTable(shapesOf(geometry, dataOffset), policyOf(geometry))
  await restoreRunner(file, table.zones, dev.log)
  table.begin()
  dev.log.info(`${file.path} was made by the C runner; it stays as it is`)
  return { file, geometry, table, journal: new Journal(file, runnerRecords, table.zones) }
}

async function format(file: IoFile, o: Partial<ZbcOptions>, dev: DeviceInfo): Promise<ZbcImage> {
  const refuse = (why: string): never => {
    throw new TcmuError('E_ZONED_GEOMETRY', `${file.path} cannot be made a zoned disk: ${why}`, { path: file.path })
  }
  if (dev.sizeBytes === 0) refuse(`no size is given for ${dev.name}; give the LUN a size`)
  const g = geometryOf(o, dev.sizeBytes)
  if (typeof g === 'string') return refuse(g)
  const dataOffset = placesOf(g.zones).data
  const table = new ZoneTable(shapesOf(g, dataOffset), policyOf(g))
  const journal = new Journal(file, ownRecords(g.zones), table.zones, 0)
  const header = {
    ...headerDefaults, kind: g.hostManaged ? HOST_MANAGED : HOST_AWARE, restrictedReads: g.restrictedReads ? 1 : 0, lbaBytes: g.lbaBytes,
    physicalBytes: g.lbaBytes * 2 ** g.physicalExponent, zoneBlocks: g.zoneBlocks, zones: g.zones, conventional: g.conventional, openLimit: g.openLimit,
    capacity: g.capacity, dataOffset, uuid: newUuid(), sizeBytes: g.capacity * g.lbaBytes,
  }
  await makeImage(file, header, journal)
  return { file, geometry: g, table, journal }
}

const FORMAT_HINT = 'the option format-y lets it be formatted, and its contents be lost'

/** Why a file is not used as it is, or undefined. */
export function objection(found: Found, path: string, wrong: (g: Geometry) => ReturnType<typeof difference>): TcmuError | undefined {
  if (found.kind === 'foreign') return new TcmuError('E_ZONED_FOREIGN', `${path}: ${found.why}, and it is not overwritten; ${FORMAT_HINT}`, { path })
  if (found.kind === 'damaged') return new TcmuError('E_ZONED_DAMAGED', `${path}: ${found.why}; restore it from a copy, or ${FORMAT_HINT}`, { path })
  if (found.kind === 'empty') return undefined
  if (found.kind === 'own' && found.header.kind === ZONE_DOMAINS) {
    return new TcmuError('E_ZONED_MISMATCH', `${path} is a disk of the subtype dhsmr; open it with that, or ${FORMAT_HINT}`, { path })
  }
  const difference = wrong(found.kind === 'own' ? ownGeometry(found.header) : runnerGeometry(found.header))
  if (!difference) return undefined
  const [name, wanted, is] = difference
  return new TcmuError('E_ZONED_MISMATCH', `${path} has ${name} ${String(is)}, and ${String(wanted)} is asked for; ask for what it has, or ${FORMAT_HINT}`, { path, name, wanted, found: is })
}

/** Open the image of a `zbc` device, or make it. Nothing stays open when it rejects. */
export async function openZbcImage(dev: DeviceInfo, { options: o, path }: Parsed<ZbcOptions>): Promise<ZbcImage> {
  const file = await openFile(dev, path)
  try {
    const found = await recognise(file)
    const wrong = objection(found, path, (g) => difference(o, dev.sizeBytes, g))
    if (wrong && !o.format) throw wrong
    if (wrong) dev.log.warn(`${wrong.message}. It is formatted now, as asked for`)
    if (!wrong && found.kind === 'runner') return await openRunner(file, found.header.dataOffset, adjusted(runnerGeometry(found.header), o), dev)
    if (!wrong && found.kind === 'own') return await openOwn(file, found.header, adjusted(ownGeometry(found.header), o), dev)
    return await format(file, o, dev)
  } catch (e) {
    await file.close()
    throw e
  }
}
