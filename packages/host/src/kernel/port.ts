import type { RingPort } from '../device/pump'

/** A mapped UIO device: the addon's, or a test's. */
export interface UioMap {
  readonly memory: ArrayBuffer
  start(onWake: () => void, onError: (error: Error) => void): void
  kick(): void
  close(): void
  /** Of the addon's: what `kick` writes to, and how many bytes. */
  readonly kickFd?: number
  readonly wordSize?: number
}

/** A UIO map as a pump wants it. When the device goes away under it, that is told once, and doorbells do nothing. */
export class UioPort implements RingPort {
  readonly memory: ArrayBuffer
  readonly doorbell: RingPort['doorbell']
  private gone = false

  constructor(private readonly map: UioMap, private readonly lost: (error: Error) => void) {
    this.memory = map.memory
    if (map.kickFd !== undefined && map.wordSize !== undefined) this.doorbell = { fd: map.kickFd, wordSize: map.wordSize }
  }

  onWake(fn: () => void): void {
    this.map.start(fn, (e) => this.lose(e))
  }

  kick(): void {
    if (this.gone) return
    try {
      this.map.kick()
    } catch (e) {
      this.lose(e as Error)
    }
  }

  private lose(error: Error): void {
    if (this.gone) return
    this.gone = true
    this.lost(error)
  }

  /** The device may go away from now on, and nobody is told. */
  silence(): void {
    this.gone = true
  }

  close(): void {
    this.gone = true
    this.map.close()
  }
}
