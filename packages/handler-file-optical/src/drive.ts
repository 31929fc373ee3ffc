import { type DeviceInfo, TcmuError } from '@tcmu/host/handler'
import { type Lun, type Nexus, type SenseCode } from '@tcmu/host/scsi'
import { mediaEvent, News, operationalEvent } from './events'
import { BLOCK, isMissing, Medium } from './medium'
import { Removal } from './removal'
import { mmcSense } from './sense'
import { type DriveEvent, type DriveState, guarded, next } from './states'
import { Unit } from './unit'

/** Why no command can use the medium; undefined when one can. */
const unready: Readonly<Record<DriveState, SenseCode | undefined>> = {
  open: mmcSense.MEDIUM_NOT_PRESENT_TRAY_OPEN,
  empty: mmcSense.MEDIUM_NOT_PRESENT_TRAY_CLOSED,
  loading: mmcSense.BECOMING_READY,
  present: undefined,
}

/** A tray, perhaps a disc, and what initiators have asked of them. */
export class Drive {
  readonly removal = new Removal()
  readonly media = new News()
  readonly operational = new News()
  /** Mode pages that initiators have changed, by page code. */
  readonly modes = new Map<number, Uint8Array>()
  /** The drive as it is now. */
  unit = new Unit(this, undefined)
  private current: DriveState = 'open'
  private lun: Lun | undefined
  private moves: Promise<unknown> = Promise.resolve()

  private constructor(private readonly dev: DeviceInfo, private path: string) {}

  /** A drive whose tray is in. A missing image leaves it empty; any other fault of the image is thrown. */
  static async open(dev: DeviceInfo, path: string): Promise<Drive> {
    const drive = new Drive(dev, path)
    const medium = path === '' ? undefined : await Medium.open(dev.io, path).catch((e: unknown) => {
      if (!isMissing(e)) throw e
      dev.log.warn(`${dev.name} is an empty drive: ${(e as Error).message}`)
      return undefined
    })
    dev.mediumChanged(0)
    drive.closeTray(medium)
    return drive
  }

  get name(): string {
    return this.dev.name
  }
  get state(): DriveState {
    return this.current
  }
  /** Why the medium cannot be used now. */
  get unready(): SenseCode | undefined {
    return unready[this.current]
  }
  /** The device as the host knows it: there from the first command on. */
  get host(): Lun {
    return this.lun!
  }

  /** A command came, from this nexus. */
  attach(lun: Lun, nexus: Nexus): void {
    this.lun = lun
    this.media.note(nexus)
    this.operational.note(nexus)
  }

  /** One movement at a time, in order. */
  private move<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.moves.then(work)
    this.moves = done.catch(() => undefined)
    return done
  }

  /** False: not from this state, or prevented. */
  private go(event: DriveEvent, force = false): boolean {
    const to = next(this.current, event)
    if (!to || (guarded.has(event) && this.removal.prevented && !force)) return false
    this.current = to
    return true
  }

  /** Move the tray out; resolves to false when an initiator prevents that. */
  eject(): Promise<boolean> {
    return this.move(() => this.openTray(false))
  }

  /** Move the tray in and look for a disc; resolves when that is over, whatever there was. */
  load(): Promise<void> {
    return this.move(async () => {
      if (!this.go('close')) return
      const medium = this.path === '' ? undefined : await Medium.open(this.dev.io, this.path).catch((e: unknown) => this.unreadable(e))
      this.finishLoading(medium)
    })
  }

  private unreadable(e: unknown): undefined {
    this.dev.log[isMissing(e) ? 'warn' : 'error'](`${this.name}: no disc can be read: ${(e as Error).message}`)
  }

  private openTray(force: boolean): boolean {
    if (next(this.current, 'eject') === undefined) return true
    if (!this.go('eject', force)) return false
    if (force) this.removal.clear()
    if (this.unit.medium) this.put(undefined)
    return true
  }

  private closeTray(medium: Medium | undefined): void {
    this.go('close')
    this.finishLoading(medium)
  }

  private finishLoading(medium: Medium | undefined): void {
    this.go(medium ? 'found' : 'nothing')
    if (medium) this.put(medium)
  }

  private put(medium: Medium | undefined): void {
    const before = this.unit.medium
    this.unit = new Unit(this, medium)
    this.media.post(medium ? mediaEvent.NEW_MEDIA : mediaEvent.MEDIA_REMOVAL)
    if (medium?.profile !== before?.profile) this.operational.post(operationalEvent.FEATURE_CHANGE)
    this.dev.mediumChanged(medium ? medium.blocks * BLOCK : 0)
    this.dev.log.info(medium ? `${medium.profile.name} of ${medium.blocks} blocks: ${medium.path}` : 'the disc is out')
    before?.close().catch((e: unknown) => this.dev.log.error(`${before.path} did not close cleanly: ${(e as Error).message}`))
  }

  /** The operator takes the disc out; rejects with E_MEDIUM_LOCKED. With `away` it does not come back when the tray moves in. */
  takeOut(force: boolean, away = false): Promise<void> {
    return this.move(() => {
      if (!this.openTray(force)) throw this.locked()
      if (away) this.path = ''
    })
  }

  /** The operator puts a disc in: the one on the tray when there is no path. Rejects when it cannot be read, and nothing moved. */
  putIn(path: string | undefined, force: boolean): Promise<void> {
    return this.move(async () => {
      if (path === undefined && this.current === 'present') return
      const from = path ?? this.path
      if (from === '') throw new TcmuError('E_NO_DISC', `${this.name} has no disc to load; name an image`, { device: this.name })
      const medium = await Medium.open(this.dev.io, from)
      if (!this.openTray(force)) {
        await medium.close()
        throw this.locked()
      }
      this.path = from
      this.closeTray(medium)
    })
  }

  /** Initiators are told that the medium is wanted; those that agree allow its removal and eject it. */
  private locked(): TcmuError {
    this.media.post(mediaEvent.EJECT_REQUEST)
    const { holders } = this.removal
    return new TcmuError('E_MEDIUM_LOCKED', `the medium of ${this.name} is held by ${holders.join(', ')}, which was asked to let go of it; unmount it there, or force it`, {
      device: this.name, holders,
    })
  }

  /** LOGICAL UNIT RESET: nothing that initiators set lasts (SPC-4 6.19). */
  reset(): void {
    this.removal.clear()
    this.modes.clear()
  }

  close(): Promise<void> {
    return this.move(async () => this.unit.medium?.close())
  }
}
