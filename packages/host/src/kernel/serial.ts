/** How long a serial number is believed; the kernel lets nobody change it while a LUN is mapped, and tells nobody when it is. */
const BELIEVED_MS = 1000

/** A value that is written some time after the device came up, and read while commands are answered. */
export class SerialCache {
  private readAt = -Infinity
  private frozen = false

  constructor(private readonly read: () => string, private text: string, private readonly now: () => number = () => performance.now()) {}

  get value(): string {
    if (this.frozen || this.now() - this.readAt < BELIEVED_MS) return this.text
    this.text = this.read()
    this.readAt = this.now()
    return this.text
  }

  /** Not to be read any more. */
  freeze(): void {
    this.frozen = true
  }
}
