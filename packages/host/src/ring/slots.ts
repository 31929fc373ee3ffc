/** First-in first-out queue of ring positions, growing, without allocation in steady state. */
export class Slots {
  private items = new Uint32Array(64)
  private mask = this.items.length - 1
  private head = 0
  count = 0

  push(position: number): void {
    if (this.count > this.mask) this.grow()
    this.items[(this.head + this.count++) & this.mask] = position
  }

  /** Defined while `count` is not zero. */
  get first(): number {
    return this.items[this.head]
  }

  shift(): number {
    const position = this.items[this.head]
    this.head = (this.head + 1) & this.mask
    this.count--
    return position
  }

  clear(): void {
    this.head = this.count = 0
  }

  private grow(): void {
    const larger = new Uint32Array(this.items.length * 2)
    larger.set(this.items.subarray(this.head))
    larger.set(this.items.subarray(0, this.head), this.items.length - this.head)
    this.items = larger
    this.mask = larger.length - 1
    this.head = 0
  }
}
