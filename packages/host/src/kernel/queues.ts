/** Work in order for each key; keys do not wait for each other. */
export class Queues<K> {
  private readonly tails = new Map<K, Promise<void>>()

  /** Run after what this key has to do before. Settles as the work does. */
  run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const result = (this.tails.get(key) ?? Promise.resolve()).then(work)
    const tail: Promise<void> = result.then(() => undefined, () => undefined).then(() => {
      if (this.tails.get(key) === tail) this.tails.delete(key)
    })
    this.tails.set(key, tail)
    return result
  }

  /** Resolves when all work known now is done. */
  async idle(): Promise<void> {
    await Promise.all(this.tails.values())
  }
}
