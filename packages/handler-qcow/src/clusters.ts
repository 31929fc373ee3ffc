/** Neighbouring clusters that were nobody's. */
export interface Taken {
  readonly first: number
  readonly count: number
  /** The file never reached here: it reads as zeroes. */
  readonly pristine: boolean
}

/** Clusters that tables or data no longer use; nobody gets them before the tables that say so are on the medium. */
export type Dropped = Map<number, number>

/** Where new clusters come from, and where unused ones go. */
export interface Clusters {
  /** Up to `count` neighbours, at once; undefined when `refill` has to be waited for first. */
  take(count: number): Taken | undefined
  /** Rejects with ENOSPC when there are none. */
  refill(): Promise<void>
  /** One reference less on each cluster that [host, host+length) touches. */
  drop(host: number, length: number): void
  takeDropped(): Dropped
  /** What was dropped is free. The medium does not refer to it, and nothing is under way there. */
  settle(dropped: Dropped): Promise<void>
  /** Something was dropped and is not free yet. */
  readonly waiting: boolean
  /** Where the file ends by now, rounded up to clusters. */
  readonly endBytes: number
}
