/** RFC 7143 4.2.2.1, RFC 1982: 32-bit serial numbers compare by the sign of their difference. */
export const before = (a: number, b: number): boolean => ((a - b) | 0) < 0
export const next = (n: number): number => (n + 1) >>> 0

/** Where a CmdSN lies. */
export const Place = { NEXT: 0, AHEAD: 1, OUTSIDE: 2 } as const
export type Place = (typeof Place)[keyof typeof Place]

/**
 * The command window of a session: the initiator may send CmdSN from `expected` to `maximum`. The window shrinks by
 * each command that is under way and opens again as it ends, so that never more than `depth` are live.
 */
export class CommandWindow {
  expected: number
  private active = 0

  constructor(first: number, readonly depth: number) {
    this.expected = first >>> 0
  }

  get maximum(): number {
    return (this.expected + this.depth - this.active - 1) >>> 0
  }

  place(cmdSn: number): Place {
    if (cmdSn === this.expected) return this.active < this.depth ? Place.NEXT : Place.OUTSIDE
    return before(cmdSn, this.expected) || before(this.maximum, cmdSn) ? Place.OUTSIDE : Place.AHEAD
  }

  /** The command `expected` was taken. */
  advance(): void {
    this.expected = next(this.expected)
  }

  /** A command that counts against the window begins or ends. */
  enter(): void {
    this.active++
  }
  leave(): void {
    this.active--
  }
}
