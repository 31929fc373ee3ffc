import { bits, informationalExceptions, layout, type Lun, type Layout, type Members, modePage, type ModePage, pageControl, skip, Status, u16be, u32be, u8 } from '@tcmu/host/scsi'
import { CD_ROM } from './profiles'
import type { Unit } from './unit'

type Value<M extends Members> = Parameters<Layout<M>['encode']>[0]

/** A page that initiators may change in some bits; the drive remembers them until it is reset, and an image needs none of them. */
function setting<M extends Members>(code: number, name: string, body: Layout<M>, defaults: Value<M>, changeable: Value<M>): ModePage {
  const page = modePage(code, name, body, { defaults: () => defaults, changeable: () => changeable })
  const kept = (lun: Lun): Map<number, Uint8Array> => (lun as Unit).drive.modes
  return Object.freeze<ModePage>({
    ...page,
    body: (lun, pc) => (pc === pageControl.CURRENT ? kept(lun).get(code) : undefined) ?? page.body(lun, pc),
    apply(lun, bytes) {
      kept(lun).set(code, Uint8Array.from(bytes))
      return Status.OK
    },
  })
}

const RETRIES = 5
/** MMC-6 7.2.3 */
const recovery = setting(0x01, 'Read/Write Error Recovery', layout('error_recovery', {
  parameter: u8, readRetries: u8, reserved: skip(3), emcdr: bits(u8, { emcdr: [1, 0] }), writeRetries: u8, window: skip(1), timeLimit: u16be,
}, { size: 10 }), { readRetries: RETRIES, writeRetries: RETRIES }, { parameter: 0x3f, readRetries: 0xff })

const MODE_1_BLOCK = 8
const TWO_SECONDS = 150
/** MMC-6 7.2.4: nothing is written, so nothing can be set. */
const writeParameters = modePage(0x05, 'Write Parameters', layout('write_parameters', {
  write: bits(u8, { bufe: 6, testWrite: 4, writeType: [3, 0] }), track: bits(u8, { multiSession: [7, 6], copy: 4, trackMode: [3, 0] }),
  dataBlock: bits(u8, { dataBlockType: [3, 0] }), linkSize: u8, reserved: skip(1), application: u8, sessionFormat: u8, reserved2: skip(1),
  packetSize: u32be, audioPause: u16be, catalogue: skip(16), recordingCode: skip(16), subheader: u32be,
}, { size: 50 }), { defaults: () => ({ dataBlockType: MODE_1_BLOCK, audioPause: TWO_SECONDS }) })

/** MMC-2 5.5.5, obsolete since; inactivity time 0 is vendor specific. */
const cdDevice = modePage(0x0d, 'CD Device Parameters', layout('cd_device_parameters', {
  reserved: skip(1), inactivity: bits(u8, { inactivity: [3, 0] }), secondsPerMinute: u16be, framesPerSecond: u16be,
}, { size: 6 }), { defaults: () => ({ secondsPerMinute: 60, framesPerSecond: 75 }) })

/** MMC-3 6.3.7, obsolete since: no audio is played. */
const audio = modePage(0x0e, 'CD Audio Control', layout('cd_audio_control', {
  flags: bits(u8, { immed: 2, stopOnTrack: 1 }), reserved: skip(5), channel0: u8, volume0: u8, channel1: u8, volume1: u8, channel2: u8, volume2: u8,
  channel3: u8, volume3: u8,
}, { size: 14 }), { defaults: () => ({ immed: 1 }) })

/** SPC-4 7.5.13: timers in tenths of a second. */
const power = setting(0x1a, 'Power Condition', layout('power_condition', {
  reserved: skip(1), timers: bits(u8, { idle: 1, standby: 0 }), idleTime: u32be, standbyTime: u32be,
}, { size: 10 }), {}, { idle: 1, standby: 1, idleTime: 0xffffffff, standbyTime: 0xffffffff })

const UNLIMITED = 0xffff
/** MMC-6 7.2.6 */
const timeout = modePage(0x1d, 'Timeout and Protect', layout('timeout_and_protect', {
  reserved: skip(2), flags: bits(u8, { g3Enable: 3, tmoe: 2, disp: 1, swpp: 0 }), reserved2: skip(1), group1: u16be, group2: u16be,
}, { size: 8 }), { defaults: () => ({ group1: UNLIMITED, group2: UNLIMITED }) })

const TRAY = 1
const BUFFER_KIB = 2048
const capabilitiesBody = layout('mm_capabilities', {
  read: bits(u8, { dvdRamRead: 5, dvdRRead: 4, dvdRomRead: 3, method2: 2, cdRwRead: 1, cdRRead: 0 }), write: u8,
  play: bits(u8, { buffer: 7, multiSession: 6, mode2Form2: 5, mode2Form1: 4, audioPlay: 0 }),
  digital: bits(u8, { barCode: 7, upc: 6, isrc: 5, c2Pointers: 4, cdDaAccurate: 1, cdDa: 0 }),
  mechanism: bits(u8, { mechanism: [7, 5], eject: 3, preventJumper: 2, lockState: 1, lock: 0 }), changer: u8,
  mostReadSpeed: u16be, volumes: u16be, bufferSize: u16be, readSpeed: u16be, reserved: skip(1), output: u8, mostWriteSpeed: u16be, writeSpeed: u16be,
  copyManagement: u16be, reserved2: skip(3), rotation: u8, selectedWriteSpeed: u16be, writeSpeeds: u16be,
}, { size: 30 })

/** Capabilities and mechanical status (MMC-3 6.3.11, a legacy page that every operating system still asks for). */
const capabilities = modePage(0x2a, 'MM Capabilities and Mechanical Status', capabilitiesBody, {
  defaults: (lun) => {
    const { drive, medium } = lun as Unit
    const { speed } = medium?.profile ?? CD_ROM
    return {
      dvdRomRead: 1, cdRRead: 1, cdRwRead: 1, dvdRRead: 1, mechanism: TRAY, eject: 1, lock: 1, lockState: drive.removal.prevented,
      mostReadSpeed: speed, readSpeed: speed, bufferSize: BUFFER_KIB,
    }
  },
})

/** In the order in which MODE SENSE returns them. */
export const mmcPages: readonly ModePage[] = [recovery, writeParameters, cdDevice, audio, power, informationalExceptions, timeout, capabilities]
