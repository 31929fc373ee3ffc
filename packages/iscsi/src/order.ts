import { type CommandWindow, Place } from './window'

/** Delivers requests in the order of their CmdSN (RFC 7143 4.2.2.1). Holds at most a window of them. */
export class CommandOrder {
  /** What came ahead of its turn, by CmdSN. */
  private readonly held = new Map<number, () => void>()

  constructor(readonly window: CommandWindow) {}

  /** Whether a request is to be taken: inside the window, and not a repetition. Others are ignored without a word. */
  takes(cmdSn: number): boolean {
    return this.window.place(cmdSn) !== Place.OUTSIDE && !this.held.has(cmdSn)
  }

  isNext(cmdSn: number): boolean {
    return cmdSn === this.window.expected
  }
  holds(cmdSn: number): boolean {
    return this.held.size > 0 && this.held.has(cmdSn)
  }
  hold(cmdSn: number, action: () => void): void {
    this.held.set(cmdSn, action)
  }

  /** Do `action` when its turn has come; ignored when `takes` says so. */
  run(cmdSn: number, immediate: boolean, action: () => void): void {
    if (immediate) return action()
    if (!this.takes(cmdSn)) return
    if (!this.isNext(cmdSn)) return this.hold(cmdSn, action)
    this.window.advance()
    action()
    this.catchUp()
  }

  /** After `window.advance`: what waited for it. */
  catchUp(): void {
    while (this.held.size > 0) {
      const action = this.held.get(this.window.expected)
      if (!action) return
      this.held.delete(this.window.expected)
      this.window.advance()
      action()
    }
  }

  clear(): void {
    this.held.clear()
  }
}
