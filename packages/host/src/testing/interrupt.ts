/** The interrupt of a UIO device: who listens is called soon, once for however many times it was raised. */
export class Interrupt {
  private listener: (() => void) | undefined
  private pending = false

  /** What was raised before counts. */
  listen(fn: (() => void) | undefined): void {
    this.listener = fn
    this.raise()
  }

  raise(): void {
    if (!this.listener || this.pending) return
    this.pending = true
    setImmediate(() => {
      this.pending = false
      this.listener?.()
    })
  }
}
