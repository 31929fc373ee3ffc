import { Capabilities, FullStatusDescriptor, InHeader, ReservationDescriptor } from './layouts'
import { encodeTransportId } from './transport-id'
import { isAllRegistrants, type Key, NO_KEY, ReservationType as T, type State } from './types'
import { isHolder } from './value'

export const keyBytes = (key: Key): Uint8Array => Buffer.from(key, 'hex')
export const keyOf = (bytes: Uint8Array): Key => Buffer.from(bytes).toString('hex')

function list(state: State, parts: readonly Uint8Array[]): Uint8Array {
  const additionalLength = parts.reduce((n, p) => n + p.length, 0)
  return Buffer.concat([InHeader.encode({ generation: state.generation, additionalLength }), ...parts])
}

/** SPC-4 6.15.2. */
export const readKeys = (state: State): Uint8Array => list(state, [...state.registrations.values()].map((r) => keyBytes(r.key)))

/** SPC-4 6.15.3; the key of a reservation that all registrants hold is zero. */
export function readReservation(state: State): Uint8Array {
  const held = state.reservation
  if (!held) return list(state, [])
  const key = isAllRegistrants(held.type) ? NO_KEY : state.registrations.get(held.holder)!.key
  return list(state, [ReservationDescriptor.encode({ key: keyBytes(key), type: held.type })])
}

const maskBit: Readonly<Record<T, number>> = {
  [T.WRITE_EXCLUSIVE_AR]: 15, [T.EXCLUSIVE_ACCESS_RO]: 14, [T.WRITE_EXCLUSIVE_RO]: 13, [T.EXCLUSIVE_ACCESS]: 11, [T.WRITE_EXCLUSIVE]: 9,
  [T.EXCLUSIVE_ACCESS_AR]: 0,
}
const typeMask = Object.values(maskBit).reduce((mask, bit) => mask + 2 ** bit, 0)
/** TEST UNIT READY passes WE and EA; MODE SENSE, READ BUFFER, REPORT SUPPORTED OPERATION CODES and their like pass WE only. */
const ALLOW_COMMANDS = 3

/** SPC-4 6.15.4. */
export const reportCapabilities = (state: State, persistent: boolean): Uint8Array =>
  Capabilities.encode({
    length: Capabilities.size, compatibleHandling: 1, specifyInitiatorPorts: 1, allTargetPorts: 1, persist: persistent,
    typeMaskValid: 1, allowCommands: ALLOW_COMMANDS, persistActive: state.aptpl, typeMask,
  })

/** SPC-4 6.15.5: one descriptor for each registration, so ALL_TG_PT is zero. */
export function readFullStatus(state: State): Uint8Array {
  return list(state, [...state.registrations.values()].flatMap((r) => {
    const transportId = encodeTransportId(r)
    const holder = isHolder(state, r.id)
    const head = FullStatusDescriptor.encode({
      key: keyBytes(r.key), holder, type: holder ? state.reservation!.type : 0, port: r.port, additionalLength: transportId.length,
    })
    return [head, transportId]
  }))
}
