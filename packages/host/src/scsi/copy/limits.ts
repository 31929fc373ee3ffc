import { BlockToBlock, Cscd } from './layouts'

const MAX_CSCD = 64
const MAX_SEGMENTS = 256

/** What one EXTENDED COPY may ask for; RECEIVE COPY OPERATING PARAMETERS and VPD 8Fh say the same. */
export const copyLimits = {
  cscd: MAX_CSCD,
  segments: MAX_SEGMENTS,
  descriptorBytes: MAX_CSCD * Cscd.size + MAX_SEGMENTS * BlockToBlock.size,
  /** As WRITE SAME: so long is a range held. */
  segmentBytes: 2 ** 24,
  concurrent: 255,
  /** log2 of the smallest block. */
  granularity: 9,
} as const
