import { type ZoneType, zoneType as t } from '@tcmu/host/scsi'

/** Device types of MUTATE and REPORT MUTATIONS. */
export const deviceKind = { NON_ZONED: 1, HOST_MANAGED: 2, HOST_AWARE: 3, ZONE_DOMAINS: 4 } as const

/** What a device can be made into. */
export interface Profile {
  readonly name: string
  readonly type: number
  readonly model: number
  /** Types of its zone domains, in the order of their IDs; of a plain disk, the type of what is not conventional. */
  readonly types: readonly ZoneType[]
  /** Type of the extents that are active at first, and whether they begin full. */
  readonly initial: ZoneType
  readonly startsFull?: true
  /** Of Zone Domains: realms at both ends that stay CMR. Of a plain disk: percent of conventional zones, and of those at the end. */
  readonly bottom: number
  readonly top: number
  /** GAP zones between two domains. */
  readonly gap: number
  /** Some zones are READ ONLY, some OFFLINE. */
  readonly faulty?: true
  /** FSNOZ, URSWRZ and MAXIMUM ACTIVATION cannot be changed. */
  readonly bare?: true
}

const plain = (name: string, type: number, model: number, of: ZoneType, bottom = 0, top = 0): Profile =>
  ({ name, type, model, types: [of], initial: of, bottom, top, gap: 0 })
type More = Partial<Pick<Profile, 'bottom' | 'top' | 'gap' | 'startsFull' | 'faulty' | 'bare'>>
const domains = (name: string, model: number, initial: ZoneType, types: readonly ZoneType[], more: More = {}): Profile =>
  ({ name, type: deviceKind.ZONE_DOMAINS, model, initial, types, bottom: 0, top: 0, gap: 0, ...more })

const { CONVENTIONAL: conv, SEQUENTIAL_REQUIRED: swr, SEQUENTIAL_PREFERRED: swp, SOBR: sobr } = t
/** In the order of REPORT MUTATIONS. */
export const profiles: readonly Profile[] = [
  plain('NON_ZONED', deviceKind.NON_ZONED, 1, conv),
  plain('HM_ZONED', deviceKind.HOST_MANAGED, 1, swr),
  plain('HM_ZONED_1PCNT_B', deviceKind.HOST_MANAGED, 2, swr, 1),
  plain('HM_ZONED_2PCNT_BT', deviceKind.HOST_MANAGED, 3, swr, 2, 1),
  { ...plain('HM_ZONED_FAULTY', deviceKind.HOST_MANAGED, 4, swr, 1), faulty: true },
  plain('HA_ZONED', deviceKind.HOST_AWARE, 1, swp),
  plain('HA_ZONED_1PCNT_B', deviceKind.HOST_AWARE, 2, swp, 1),
  plain('HA_ZONED_2PCNT_BT', deviceKind.HOST_AWARE, 3, swp, 2, 1),
  domains('ZONE_DOM', 0x1, conv, [conv, swr], { gap: 3 }),
  domains('ZD_1CMR_BOT', 0x2, conv, [conv, swr, swp], { bottom: 1 }),
  domains('ZD_1CMR_BOT_TOP', 0x3, conv, [conv, swr, swp], { bottom: 1, top: 1 }),
  domains('ZD_SOBR', 0x4, sobr, [sobr, swr], { startsFull: true }),
  domains('ZD_1CMR_BT_SMR', 0x5, conv, [conv, swr, swp], { bottom: 1, top: 2 }),
  domains('ZD_BARE_BONE', 0x6, conv, [conv, swr], { bare: true }),
  domains('ZD_FAULTY', 0x7, conv, [conv, swr], { faulty: true }),
  domains('ZD_1CMR_BOT_SWP', 0x8, conv, [conv, swp], { bottom: 1 }),
  domains('ZD_SOBR_SWP', 0x9, sobr, [sobr, swp], { startsFull: true }),
  domains('ZD_SOBR_EMPTY', 0xa, sobr, [sobr, swr]),
  domains('ZD_SOBR_FAULTY', 0xb, sobr, [sobr, swr], { bottom: 1, top: 1, faulty: true }),
  domains('ZD_1SOBR_BT_TOP', 0xc, sobr, [sobr, swr, swp], { bottom: 1, top: 1 }),
]

/** Other spellings in use. */
const aliases: Readonly<Record<string, string>> = { ZD_1SOBR_BOT_TOP: 'ZD_1SOBR_BT_TOP', HM: 'HM_ZONED_1PCNT_B', HA: 'HA_ZONED_1PCNT_B' }
export const profileNamed = (name: string): Profile | undefined => profiles.find((p) => p.name === (aliases[name] ?? name))
export const profileOf = (type: number, model: number): Profile | undefined => profiles.find((p) => p.type === type && p.model === model)
export const hasDomains = (p: Profile): boolean => p.type === deviceKind.ZONE_DOMAINS
/** Types whose zones overlap tracks, and are more for the same medium. */
export const isSmr = (type: ZoneType): boolean => type === swr || type === swp
