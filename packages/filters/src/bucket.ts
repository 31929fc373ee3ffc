/** Tokens that come at a rate and are taken in order; who takes more than there are waits. */
export class Bucket {
  private level: number
  private last = performance.now()

  /** `rate` tokens a second, `burst` at most. */
  constructor(private readonly rate: number, private readonly burst: number) {
    this.level = burst
  }

  /** Take `n`; milliseconds to wait until they are there. */
  take(n: number): number {
    const now = performance.now()
    this.level = Math.min(this.burst, this.level + ((now - this.last) / 1000) * this.rate) - n
    this.last = now
    return this.level >= 0 ? 0 : (-this.level / this.rate) * 1000
  }
}
