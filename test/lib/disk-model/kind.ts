import type fc from 'fast-check'
import type { Expected, Model, Use } from './model'

/** A command on its way: CDB, and data or room for it. */
export interface Sent {
  readonly cdb: Buffer
  readonly out?: Buffer
  readonly in?: number
}
/** A kind of command: how it is made up, sent, and what the model makes of it. */
export interface Kind<P> {
  readonly parameters: fc.Arbitrary<P>
  readonly use: Use
  /** Its CDB has bits set that have no meaning. */
  malformed?(p: P): boolean
  /** May look at the model, so that comparisons sometimes find what they look for. */
  send(p: P, model: Model): Sent
  /** Called when nothing shut the command out. */
  expect(p: P, model: Model, sent: Sent, who: number): Expected
}
export const kind = <P>(k: Kind<P>): Kind<P> => k
