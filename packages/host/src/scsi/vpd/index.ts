import { blockCharacteristics, blockLimits, provisioning } from './block'
import { extendedInquiry } from './extended'
import { deviceIdentification, unitSerialNumber } from './identification'
import type { VpdPage } from './page'
import { managementAddresses, modePagePolicy, scsiPorts } from './ports'
import { referrals } from './referrals'
import { supportedPages } from './supported'
import { thirdPartyCopy } from './third-party-copy'

/** Page 00h and these, in order of their codes. Throws when a code is there twice. */
export function vpdPages(...pages: readonly VpdPage[]): readonly VpdPage[] {
  const all: readonly VpdPage[] = [supportedPages(() => all), ...pages].sort((a, b) => a.code - b.code)
  const twice = all.find((p, i) => all[i + 1]?.code === p.code)
  if (twice) throw new Error(`VPD page ${twice.code.toString(16)}h is declared twice`)
  return Object.freeze(all)
}

/** What every unit says of itself. */
export const identityPages: readonly VpdPage[] = [
  unitSerialNumber, deviceIdentification, managementAddresses, extendedInquiry, modePagePolicy, scsiPorts,
]
export const blockPages: readonly VpdPage[] = [thirdPartyCopy, blockLimits, blockCharacteristics, provisioning, referrals]

export * from './block'
export * from './extended'
export * from './identification'
export * from './page'
export * from './referrals'
export * from './third-party-copy'
export * from './ports'
