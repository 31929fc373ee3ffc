/** Clusters of the file in which metadata lies: data must not be there, and nobody gets them. */
export class Territory {
  private readonly owned = new Set<number>()

  constructor(private readonly clusterSize: number) {}

  own(offset: number, length: number): void {
    const last = Math.ceil((offset + length) / this.clusterSize)
    for (let c = Math.floor(offset / this.clusterSize); c < last; c++) this.owned.add(c)
  }

  disown(cluster: number): void {
    this.owned.delete(cluster)
  }

  has(cluster: number): boolean {
    return this.owned.has(cluster)
  }

  /** Whether data or a table may be at a position. */
  freeAt(host: number): boolean {
    return !this.owned.has(Math.floor(host / this.clusterSize))
  }
}
