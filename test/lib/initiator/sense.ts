import type { Answer } from './index'

/** Sense key and additional sense code of fixed or descriptor sense data, as `6/2900`; empty without sense data. */
export function senseOf({ sense }: Answer): string {
  if (sense.length === 0) return ''
  const descriptor = (sense[0]! & 0x7f) >= 0x72
  const at = descriptor ? 2 : 12
  const keyAt = descriptor ? 1 : 2
  return `${(sense[keyAt]! & 0xf).toString(16)}/${sense.readUInt16BE(at).toString(16).padStart(4, '0')}`
}

/** SPC-4 annex F. */
export const senses = {
  powerOn: '6/2900', powerOnOccurred: '6/2901', deviceReset: '6/2903', modeChanged: '6/2a01', reservationsPreempted: '6/2a03', reservationsReleased: '6/2a04',
  registrationsPreempted: '6/2a05', commandsCleared: '6/2f00', invalidFieldInCdb: '5/2400', invalidOpcode: '5/2000', noLun: '5/2500',
} as const
