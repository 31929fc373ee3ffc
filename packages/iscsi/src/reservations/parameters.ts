import { type LayoutOf, Status, type Task } from '@tcmu/host/scsi'
import { BasicList, MoveList, type OutCdb, TransportIdList } from './layouts'
import { keyOf } from './reports'
import { decodeTransportId } from './transport-id'
import type { Identity, OutAction, OutRequest } from './types'

/** Room for all the TransportIDs of a cluster; longer parameter lists are refused. */
export const MOST_PARAMETERS = 65536

/** What the parser has to know of the device. */
export interface Ports {
  /** The target port the command came through. */
  readonly own: number
  readonly all: readonly number[]
  /** Registrations can outlive a loss of power. */
  readonly persistent: boolean
}
type Cdb = Pick<LayoutOf<typeof OutCdb>, 'scope' | 'type' | 'listLength'>

/** The request in CDB and parameter list, or the status that refuses it (SPC-4 6.16.3, 6.16.4). */
export function parseOut(action: OutAction, task: Task, cdb: Cdb, ports: Ports): OutRequest | Status {
  const { scope, type, listLength } = cdb
  if (listLength < BasicList.size || listLength > MOST_PARAMETERS) return Status.INVALID_PARAM_LIST_LEN
  const list = task.parameters(listLength)
  if (list.length < listLength) return Status.INVALID_PARAM_LIST_LEN
  return action === 'REGISTER AND MOVE' ? parseMove(action, task, { scope, type }, list, ports) : parseBasic(action, task, { scope, type }, list, ports)
}

const registers: ReadonlySet<OutAction> = new Set(['REGISTER', 'REGISTER AND IGNORE EXISTING KEY'])

function parseBasic(action: OutAction, task: Task, how: { scope: number; type: number }, list: Uint8Array, ports: Ports): OutRequest | Status {
  const { key, newKey, specIPt, allTgPt, aptpl } = BasicList.decode(list)
  if (specIPt && action !== 'REGISTER') return task.invalidParameter(BasicList.at.specIPt, 3)
  if (!specIPt && list.length !== BasicList.size) return Status.INVALID_PARAM_LIST_LEN
  const registering = registers.has(action)
  if (registering && aptpl && !ports.persistent) return task.invalidParameter(BasicList.at.aptpl, 0)
  const others = specIPt ? parseOthers(task, list, ports.own) : undefined
  if (typeof others === 'number') return others
  return {
    action, ...how, key: keyOf(key), newKey: keyOf(newKey), aptpl: registering && aptpl === 1,
    ports: registering && allTgPt ? ports.all : [ports.own], ...(others && { others }),
  }
}

function parseOthers(task: Task, list: Uint8Array, port: number): Identity[] | Status {
  const start = BasicList.size + TransportIdList.size
  if (list.length < start || start + TransportIdList.decode(list, BasicList.size).length !== list.length) return Status.INVALID_PARAM_LIST_LEN
  const others: Identity[] = []
  for (let at = start; at < list.length; ) {
    const found = decodeTransportId(list, at)
    if (!found) return task.invalidParameter(at)
    others.push({ initiator: found.initiator, isid: found.isid, port })
    at = found.end
  }
  return others
}

function parseMove(action: OutAction, task: Task, how: { scope: number; type: number }, list: Uint8Array, ports: Ports): OutRequest | Status {
  const { key, newKey, unreg, aptpl, port, transportIdLength } = MoveList.decode(list)
  if (MoveList.size + transportIdLength !== list.length) return Status.INVALID_PARAM_LIST_LEN
  if (aptpl && !ports.persistent) return task.invalidParameter(MoveList.at.aptpl, 0)
  if (!ports.all.includes(port)) return task.invalidParameter(MoveList.at.port)
  const found = decodeTransportId(list, MoveList.size)
  if (found?.end !== list.length) return task.invalidParameter(MoveList.size)
  const { initiator, isid } = found
  return {
    action, ...how, key: keyOf(key), newKey: keyOf(newKey), aptpl: aptpl === 1, ports: [ports.own],
    move: { to: { initiator, isid, port }, unregister: unreg === 1 },
  }
}
