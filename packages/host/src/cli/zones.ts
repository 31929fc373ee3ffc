import { formatSize } from '../control/size'
import { callSocket, defaultSocket } from '../control/socket'
import type { ZoneList, ZoneRecord } from '../device'
import { tcmuError } from '../errors'
import { zoneCondition as c, zoneType as t } from '../scsi/zones'
import type { Surroundings } from './options'
import { table } from './table'

export interface ZonesFlags {
  readonly json?: boolean
  readonly map?: boolean
  readonly watch?: boolean
  readonly socket?: string
}
type Print = (line: string) => void

/** Names, and ANSI colours of the map. */
const conditions: Readonly<Record<number, readonly [name: string, colour: number]>> = {
  [c.NOT_WRITE_POINTER]: ['conventional', 90], [c.EMPTY]: ['empty', 37], [c.IMPLICIT_OPEN]: ['implicitly open', 32], [c.EXPLICIT_OPEN]: ['explicitly open', 36],
  [c.CLOSED]: ['closed', 33], [c.INACTIVE]: ['inactive', 90], [c.READ_ONLY]: ['read only', 35], [c.FULL]: ['full', 34], [c.OFFLINE]: ['offline', 31],
}
const types: Readonly<Record<number, string>> = {
  [t.CONVENTIONAL]: 'conventional', [t.SEQUENTIAL_REQUIRED]: 'sequential required', [t.SEQUENTIAL_PREFERRED]: 'sequential preferred', [t.SOBR]: 'sequential or before', [t.GAP]: 'gap',
}
const conditionOf = (z: ZoneRecord): readonly [string, number] => (z.type === t.GAP ? ['gap', 90] : (conditions[z.condition] ?? [`condition ${z.condition}`, 37]))

/** Cells by how full a zone is, from nothing to all. */
const FILL = [...'·▁▂▃▄▅▆▇█']
const special: Readonly<Record<number, string>> = { [c.NOT_WRITE_POINTER]: '▒', [c.INACTIVE]: '-', [c.READ_ONLY]: 'R', [c.OFFLINE]: 'X' }

function cellOf(z: ZoneRecord): string {
  if (z.type === t.GAP) return ' '
  if (special[z.condition]) return special[z.condition]!
  if (z.condition === c.FULL || z.writePointer === undefined) return FILL.at(-1)!
  const written = (z.writePointer - z.start) / z.length
  // Something is more than nothing, and not all is less than all.
  return written === 0 ? FILL[0]! : FILL[Math.min(FILL.length - 2, 1 + Math.floor(written * (FILL.length - 2)))]!
}

const painted = (text: string, colour: number, on: boolean): string => (on ? `\x1b[${colour}m${text}\x1b[0m` : text)

/** The picture: one cell a zone, rows of at most `width` cells with the LBA that they begin with, and what the colours mean. */
export function zoneMap(list: ZoneList, width: number, colour: boolean): string[] {
  const margin = String(list.zones.at(-1)?.start ?? 0).length + 2
  const cells = Math.max(16, 2 ** Math.floor(Math.log2(Math.max(16, width - margin))))
  const lines: string[] = []
  for (let at = 0; at < list.zones.length; at += cells) {
    const row = list.zones.slice(at, at + cells)
    lines.push(`${String(row[0]!.start).padStart(margin - 2)}  ${row.map((z) => painted(cellOf(z), conditionOf(z)[1], colour)).join('')}`)
  }
  const counts = new Map<string, number>()
  for (const z of list.zones) counts.set(conditionOf(z)[0], (counts.get(conditionOf(z)[0]) ?? 0) + 1)
  const zone = list.zones[0]
  lines.push('', `${list.name}: ${list.zones.length} zones${zone ? ` of ${formatSize(zone.length * list.blockSize)}` : ''}`)
  const colours = new Map(list.zones.map((z) => conditionOf(z)))
  lines.push([...counts].map(([name, n]) => `${painted(name, colours.get(name) ?? 37, colour)} ${n}`).join(', '))
  return lines
}

export function zoneTable(list: ZoneList): string[] {
  const rows = list.zones.map((z, i) => [
    String(i), String(z.start), String(z.length), types[z.type] ?? String(z.type), conditionOf(z)[0], z.writePointer === undefined ? '-' : String(z.writePointer),
    z.nonSequential ? 'out of order' : '',
  ])
  return table([['ZONE', 'START', 'BLOCKS', 'TYPE', 'CONDITION', 'WRITE POINTER', ''], ...rows])
}

const REFRESH_MS = 500
const HOME = '\x1b[H'
const CLEAR = '\x1b[2J'
const REST = '\x1b[K'
const BELOW = '\x1b[J'

function draw(list: ZoneList, flags: ZonesFlags, print: Print): void {
  const { isTTY, columns } = process.stdout
  const colour = isTTY === true && process.env.NO_COLOR === undefined
  const lines = flags.json ? [JSON.stringify(list, undefined, 2)] : flags.map || flags.watch ? zoneMap(list, columns ?? 80, colour) : zoneTable(list)
  if (!flags.watch || flags.json || isTTY !== true) for (const line of lines) print(line)
  else process.stdout.write(`${HOME}${lines.map((l) => `${l}${REST}\n`).join('')}${BELOW}`)
}

/** The zones of a device of a running host, asked over its control socket; again and again with `watch`. */
export async function listZones(device: string, flags: ZonesFlags, at: Surroundings, print: Print): Promise<void> {
  const path = flags.socket ?? defaultSocket(at.env, at.uid)
  if (path === undefined) throw tcmuError('E_NOT_RUNNING', { path: '(no default socket)', reason: 'neither $XDG_RUNTIME_DIR nor /run/tcmu is there' })
  if (flags.watch && process.stdout.isTTY) process.stdout.write(CLEAR)
  for (;;) {
    draw((await callSocket(path, 'zones', { device })) as ZoneList, flags, print)
    if (!flags.watch) return
    await new Promise((next) => setTimeout(next, REFRESH_MS))
  }
}
