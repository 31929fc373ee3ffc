import { formatSize } from '../control/size'
import { callSocket, defaultSocket } from '../control/socket'
import type { DeviceRecord } from '../device'
import { tcmuError } from '../errors'
import type { Surroundings } from './options'
import { table } from './table'

export interface DevicesFlags {
  readonly json?: boolean
  readonly verbose?: boolean
  readonly socket?: string
}

/** Filters of a device, and the way of each callback through them. */
const chainLines = ({ filters, routes }: DeviceRecord): string[] =>
  filters ? [`     filters: ${filters}`, ...Object.entries(routes).map(([name, route]) => `     ${name}: ${route.join(' > ')}`)] : ['     no filters']

/** Why a device does not answer. */
const faultLines = ({ fault }: DeviceRecord): string[] => (fault ? [`     since ${fault.since}: ${fault.reason}`] : [])

/** The devices of a running host, asked over its control socket. */
export async function listDevices(flags: DevicesFlags, at: Surroundings, print: (line: string) => void): Promise<void> {
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
