/** Repeatable random numbers (xorshift32): a failing run can be run again. */
export class Random {
  private state: number
  constructor(seed: number) {
    this.state = (seed | 0) === 0 ? 1 : seed | 0
  }

  /** An integer from 0 to `limit` − 1. */
  below(limit: number): number {
    let s = this.state
    s ^= s << 13
    s ^= s >>> 17
    s ^= s << 5
    this.state = s
    return (s >>> 0) % limit
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }
}
