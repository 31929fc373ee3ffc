import { bits, layout, skip, u16be, u32be, u8 } from '../../wire'
import { type CommandRow, command } from '../command-table'
import { ReportPortGroups, SetPortGroups } from '../cdb'
import type { Lun, Result } from '../lun'
import { op, serviceAction } from '../opcodes'
import { accessState, type AccessState, hasPortGroups, type PortGroup, type StateRequest, tpgs } from '../port-groups'
import { Status } from '../status'
import type { Task } from '../task'
import { invalidField } from './checks'

/** SPC-4 6.37, before the descriptors: length only, and extended. */
export const PortGroupsHeader = layout('target_port_groups', { length: u32be }, { size: 4 })
export const ExtendedPortGroupsHeader = layout('target_port_groups_extended', {
  length: u32be, format: bits(u8, { formatType: [6, 4] }), transitionSeconds: u8, reserved: skip(2),
}, { size: 8 })
/** SPC-4 6.37, table 306. */
export const PortGroupDescriptor = layout('target_port_group_descriptor', {
  first: bits(u8, { pref: 7, state: [3, 0] }),
  supported: bits(u8, { t: 7, o: 6, lbd: 4, u: 3, s: 2, an: 1, ao: 0 }),
  id: u16be, reserved: skip(1), cause: u8, vendor: u8, ports: u8,
}, { size: 8 })
export const PortDescriptor = layout('target_port_descriptor', { obsolete: skip(2), relativePort: u16be }, { size: 4 })
/** SPC-4 6.45, parameter list. */
export const SetPortGroupsHeader = layout('set_target_port_groups', { reserved: skip(4) }, { size: 4 })
export const StateDescriptor = layout('set_target_port_group_descriptor', {
  first: bits(u8, { state: [3, 0] }), reserved: skip(1), id: u16be,
}, { size: 4 })

/** PARAMETER DATA FORMAT (SPC-4 table 303). */
const format = { LENGTH_ONLY: 0, EXTENDED: 1 } as const
const FORMAT_HIGH_BIT = 7
const MAX_PORTS = 255

const supportedBits = {
  t: accessState.TRANSITIONING, o: accessState.OFFLINE, lbd: accessState.LBA_DEPENDENT, u: accessState.UNAVAILABLE, s: accessState.STANDBY,
  an: accessState.NON_OPTIMIZED, ao: accessState.OPTIMIZED,
} as const

function describeGroup(g: PortGroup): Uint8Array {
  const supported = Object.fromEntries(Object.entries(supportedBits).map(([bit, state]) => [bit, g.supported.has(state)]))
  const ports = g.ports.slice(0, MAX_PORTS)
  return Buffer.concat([
    PortGroupDescriptor.encode({ ...supported, pref: g.preferred, state: g.state, id: g.id, cause: g.cause, ports: ports.length }),
    ...ports.map((relativePort) => PortDescriptor.encode({ relativePort })),
  ])
}

/** The parameter data of REPORT TARGET PORT GROUPS. */
export function encodePortGroups(groups: readonly PortGroup[], extended: boolean, transitionSeconds = 0): Uint8Array {
  const body = Buffer.concat(groups.map(describeGroup))
  if (!extended) return Buffer.concat([PortGroupsHeader.encode({ length: body.length }), body])
  const rest = ExtendedPortGroupsHeader.size - PortGroupsHeader.size
  const head = ExtendedPortGroupsHeader.encode({
    length: rest + body.length, formatType: format.EXTENDED, transitionSeconds: Math.min(transitionSeconds, 255),
  })
  return Buffer.concat([head, body])
}

async function runReport(lun: Lun, task: Task, c: { format: number; allocation: number }): Promise<Status> {
  if (c.format > format.EXTENDED) return invalidField(task, 'format', FORMAT_HIGH_BIT)
  const { portGroups } = lun
  const found = (await portGroups?.report()) ?? Status.INVALID_CMD
  if (typeof found === 'number') return found
  return task.respond(encodePortGroups(found, c.format === format.EXTENDED, portGroups!.transitionSeconds), c.allocation)
}

/** The requests in a parameter list; a status when it is none. */
function requestsIn(task: Task, length: number): StateRequest[] | Status {
  const list = task.parameters(length)
  if (list.length < length || length < SetPortGroupsHeader.size || (length - SetPortGroupsHeader.size) % StateDescriptor.size) return Status.INVALID_PARAM_LIST_LEN
  const requests: StateRequest[] = []
  for (let at = SetPortGroupsHeader.size; at < length; at += StateDescriptor.size) {
    const { id, state } = StateDescriptor.decode(list, at)
    if (requests.some((r) => r.id === id)) return task.invalidParameter(at + StateDescriptor.at.id)
    requests.push({ id, state })
  }
  return requests
}

function runSet(lun: Lun, task: Task, c: { listLength: number }): Result {
  if (c.listLength === 0) return Status.OK
  const requests = requestsIn(task, c.listLength)
  if (typeof requests === 'number') return requests
  return lun.portGroups?.request(requests, task.nexus) ?? Status.INVALID_CMD
}

export const reportTargetPortGroups = command({
  op: op.MAINTENANCE_IN, sa: serviceAction.REPORT_TARGET_PORT_GROUPS, name: 'REPORT TARGET PORT GROUPS', cdb: ReportPortGroups, access: 'none',
  dataDirection: 'in', transfer: (c) => c.allocation, allowed: { recovering: true, stopped: true, reserved: true },
  when: hasPortGroups, run: runReport,
})
export const setTargetPortGroups = command({
  op: op.MAINTENANCE_OUT, sa: serviceAction.SET_TARGET_PORT_GROUPS, name: 'SET TARGET PORT GROUPS', cdb: SetPortGroups, access: 'none',
  dataDirection: 'out', transfer: (c) => c.listLength, allowed: { recovering: true, stopped: true },
  when: (lun) => ((lun.portGroups?.tpgs ?? tpgs.NONE) & tpgs.EXPLICIT) !== 0, run: runSet,
})

export const portGroupCommands: readonly CommandRow[] = [reportTargetPortGroups, setTargetPortGroups]

/** Whether a number is an access state at all. */
export const isAccessState = (state: number): state is AccessState => (Object.values(accessState) as number[]).includes(state)
