import { defineHandler } from '../../handler'

/** Takes every write, reads zeroes, keeps nothing. */
export const nullHandler = defineHandler({
  subtype: 'null',
  summary: 'discards what is written, reads zeroes',
  open: () => undefined,
  read: (_s: undefined, io) => io.data.zero(),
  write: () => {},
  flush: () => {},
  unmap: () => {},
})
