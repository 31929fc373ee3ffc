import { bits, invalidField, type Layout, layout, skip, u16be, u32be, u8 } from '@tcmu/host/scsi'
import { GetConfiguration } from '../cdb'
import { BLOCK } from '../medium'
import { BD_ROM, CD_ROM, DVD_ROM, type Profile, profiles } from '../profiles'
import { answering, mmc, type MmcRow } from '../row'
import type { Unit } from '../unit'

/** MMC-6 6.4.3.1 */
export const ConfigurationHeader = layout('feature_header', { length: u32be, reserved: skip(2), currentProfile: u16be }, { size: 8 })
/** MMC-6 5.2.2 */
export const FeatureHeader = layout('feature_descriptor', {
  code: u16be, flags: bits(u8, { version: [5, 2], persistent: 1, current: 0 }), length: u8,
}, { size: 4 })
const ProfileDescriptor = layout('profile_descriptor', { profile: u16be, flags: bits(u8, { currentProfile: 0 }), reserved: skip(1) }, { size: 4 })

/** Something the drive can do (MMC-6 clause 5): always, or with some discs. */
interface Feature {
  readonly code: number
  readonly name: string
  readonly version: number
  /** Left out: current whatever disc is in, and without one. */
  readonly current?: (unit: Unit) => boolean
  readonly data?: (unit: Unit) => Uint8Array
}

const SCSI_FAMILY = 1
const TRAY = 1
const Core = layout('core', { standard: u32be, flags: bits(u8, { inq2: 1, dbe: 0 }), reserved: skip(3) }, { size: 8 })
const Morphing = layout('morphing', { flags: bits(u8, { ocEvent: 1, async: 0 }), reserved: skip(3) }, { size: 4 })
const RemovableMedium = layout('removable_medium', {
  flags: bits(u8, { mechanism: [7, 5], load: 4, eject: 3, preventJumper: 2, lock: 0 }), reserved: skip(3),
}, { size: 4 })
const RandomReadable = layout('random_readable', { blockSize: u32be, blocking: u16be, flags: bits(u8, { pp: 0 }), reserved: skip(1) }, { size: 8 })
const Flags = layout('feature_flags', { flags: u8, reserved: skip(3) }, { size: 4 })
const BdRead = layout('bd_read', { reserved: skip(4 + 8 + 8), rom0: u16be, rom1: u16be, rom2: u16be, rom3: u16be }, { size: 28 })
const Streaming = layout('real_time_streaming', { flags: bits(u8, { rbcb: 4, scs: 3, mp2a: 2, wspd: 1, sw: 0 }), reserved: skip(3) }, { size: 4 })

const fixed = <M extends Parameters<Layout['encode']>[0]>(shape: { encode(value: M): Uint8Array }, value: M) => (): Uint8Array => shape.encode(value)
const holds = (...some: readonly Profile[]) => ({ medium }: Unit): boolean => medium !== undefined && some.includes(medium.profile)
const profileList = ({ medium }: Unit): Uint8Array =>
  Buffer.concat([...profiles].reverse().map((p) => ProfileDescriptor.encode({ profile: p.code, currentProfile: medium?.profile === p })))
/** MMC-6 5.3.40: ASCII, padded with spaces to a multiple of four. */
const serialNumber = ({ identity }: Unit): Uint8Array => {
  const text = identity.serial.replace(/[^\x20-\x7e]/g, '?').slice(0, 252)
  return Buffer.from(text.padEnd(Math.ceil(text.length / 4) * 4), 'latin1')
}

/** In order of their codes. */
export const features: readonly Feature[] = [
  { code: 0x0000, name: 'Profile List', version: 0, data: profileList },
  { code: 0x0001, name: 'Core', version: 2, data: fixed(Core, { standard: SCSI_FAMILY, inq2: 0, dbe: 1 }) },
  { code: 0x0002, name: 'Morphing', version: 1, data: fixed(Morphing, { ocEvent: 1 }) },
  { code: 0x0003, name: 'Removable Medium', version: 1, data: fixed(RemovableMedium, { mechanism: TRAY, load: 1, eject: 1, preventJumper: 1, lock: 1 }) },
  {
    code: 0x0010, name: 'Random Readable', version: 0, current: ({ medium }) => medium !== undefined,
    data: ({ medium }) => RandomReadable.encode({ blockSize: BLOCK, blocking: medium?.profile.blocking ?? 1, pp: 1 }),
  },
  { code: 0x001e, name: 'CD Read', version: 2, current: holds(CD_ROM), data: fixed(Flags, {}) },
  { code: 0x001f, name: 'DVD Read', version: 1, current: holds(DVD_ROM), data: fixed(Flags, {}) },
  { code: 0x0040, name: 'BD Read', version: 0, current: holds(BD_ROM), data: fixed(BdRead, { rom0: 0x0002 }) },
  { code: 0x0100, name: 'Power Management', version: 0 },
  { code: 0x0105, name: 'Timeout', version: 1, data: fixed(Flags, {}) },
  { code: 0x0107, name: 'Real Time Streaming', version: 3, current: holds(DVD_ROM, BD_ROM), data: fixed(Streaming, { mp2a: 1, scs: 1 }) },
  { code: 0x0108, name: 'Drive Serial Number', version: 0, data: serialNumber },
]

const isCurrent = (f: Feature, unit: Unit): boolean => f.current?.(unit) ?? true

function encode(f: Feature, unit: Unit): Uint8Array {
  const data = f.data?.(unit) ?? new Uint8Array(0)
  const header = { code: f.code, version: f.version, persistent: !f.current, current: isCurrent(f, unit), length: data.length }
  return Buffer.concat([FeatureHeader.encode(header), data])
}

/** RT of the CDB: which features, of those from the starting one on. */
const requested: readonly ((f: Feature, unit: Unit, starting: number) => boolean)[] = [
  (f, _unit, starting) => f.code >= starting,
  (f, unit, starting) => f.code >= starting && isCurrent(f, unit),
  (f, _unit, starting) => f.code === starting,
]

/** MMC-6 6.4 */
export const getConfiguration = mmc({
  op: 0x46, name: 'GET CONFIGURATION', cdb: GetConfiguration, ...answering, allowed: { attention: true, reserved: true },
  run: (unit, task, c) => {
    const wanted = requested[c.rt]
    if (!wanted) return invalidField(task, 'rt', 1)
    const body = Buffer.concat(features.filter((f) => wanted(f, unit, c.starting)).map((f) => encode(f, unit)))
    const header = ConfigurationHeader.encode({
      length: ConfigurationHeader.size - 4 + body.length, currentProfile: unit.medium?.profile.code ?? 0,
    })
    return task.respond(Buffer.concat([header, body]), c.allocation)
  },
})

export const configurationCommands: readonly MmcRow[] = [getConfiguration]
