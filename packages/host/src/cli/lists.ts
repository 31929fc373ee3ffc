import { callSocket, defaultSocket, formatSize } from '../control'
import { tcmuError } from '../errors'
import type { DeviceRecord } from '../device'
import { createHost } from '../host'
import type { Inventory } from '../plugins'
import { type HandlerFlags, handlerOptions, type Surroundings } from './options'

type Print = (line: string) => void

/** A list does not wait for a host that is busy. */
const ASK_MS = 2000

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((w, row) => row.map((cell, i) => Math.max(w[i] ?? 0, cell.length)), [])
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]))).join('  ').trimEnd())
}

export interface ListFlags extends HandlerFlags {
  readonly json?: boolean
  readonly verbose?: boolean
  readonly socket?: string
}

function printHandlers({ handlers, disabled, refused }: Inventory, print: Print): void {
  if (handlers.length) {
    const rows = handlers.map((h) => [h.subtype, h.shape, `${h.package}@${h.version}`, h.configHelp.split('\n', 1).join()])
    for (const line of table([['SUBTYPE', 'SHAPE', 'PACKAGE', 'CONFIGURATION'], ...rows])) print(line)
  } else print('no handlers')
  for (const d of disabled) print(`found, disabled: ${d.subtype} (${d.shape}) of ${d.package}@${d.version}; to enable it: ${d.command}`)
  for (const warning of handlers.flatMap((h) => h.warnings)) print(`warning: ${warning}`)
  for (const r of refused) print(`refused: ${r.message}`)
}

/** Where a running host has other code than is there; nothing when none answers at once. */
async function staleLines(flags: ListFlags, at: Surroundings): Promise<string[]> {
  const path = flags.socket ?? defaultSocket(at.env, at.uid)
  if (path === undefined) return []
  try {
    const { handlers } = await callSocket(path, 'handlers', {}, ASK_MS) as Inventory
    return handlers.flatMap((h) => [
      ...(h.restartFor === undefined ? [] : [`restart needed: ${h.package}@${h.restartFor} is installed, and the running host has ${h.version} in its own process`]),
      ...(h.withdrawn === undefined ? [] : [`in use only: the running host opens no new devices of ${h.subtype}`]),
    ])
  } catch (e) {
    if (flags.socket === undefined) return []
    throw e
  }
}

/** What handlers this machine has, what is disabled, and what was refused and why. Runs no code of theirs. */
export async function listHandlers(flags: ListFlags, at: Surroundings, print: Print): Promise<void> {
  const inventory = createHost(handlerOptions(flags, at)).handlers()
  if (flags.json) return print(JSON.stringify(inventory, undefined, 2))
  printHandlers(inventory, print)
  for (const line of await staleLines(flags, at)) print(line)
}

/** Filters of a device, and the way of each callback through them. */
const chainLines = ({ filters, routes }: DeviceRecord): string[] =>
  filters ? [`     filters: ${filters}`, ...Object.entries(routes).map(([name, route]) => `     ${name}: ${route.join(' > ')}`)] : ['     no filters']

/** Why a device does not answer. */
const faultLines = ({ fault }: DeviceRecord): string[] => (fault ? [`     since ${fault.since}: ${fault.reason}`] : [])

/** The devices of a running host, asked over its control socket. */
export async function listDevices(flags: ListFlags, at: Surroundings, print: Print): Promise<void> {
  const path = flags.socket ?? defaultSocket(at.env, at.uid)
  if (path === undefined) throw tcmuError('E_NOT_RUNNING', { path: '(no default socket)', reason: 'neither $XDG_RUNTIME_DIR nor /run/tcmu is there' })
  const devices = (await callSocket(path, 'devices')) as readonly DeviceRecord[]
  if (flags.json) {
    print(JSON.stringify(devices, undefined, 2))
    return
  }
  const rows = devices.map((d) => [String(d.lun), d.name, formatSize(d.sizeBytes), d.readOnly ? `${d.state}, read-only` : d.state, d.cfgstring])
  for (const [i, line] of table([['LUN', 'NAME', 'SIZE', 'STATE', 'CFGSTRING'], ...rows]).entries()) {
    print(line)
    if (i > 0) faultLines(devices[i - 1]!).forEach(print)
    if (flags.verbose && i > 0) chainLines(devices[i - 1]!).forEach(print)
  }
}
