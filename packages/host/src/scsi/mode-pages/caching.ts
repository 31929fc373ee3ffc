import { bits, layout, skip, u16be, u8 } from '../../wire'
import { type Lun, type Result } from '../lun'
import { Status } from '../status'
import { modePage } from './page'

/** SBC-3 6.5.5, after the page header. */
export const Caching = layout('caching', {
  flags: bits(u8, { ic: 7, abpf: 6, cap: 5, disc: 4, size: 3, wce: 2, mf: 1, rcd: 0 }),
  retention: u8,
  disablePrefetch: u16be,
  minimumPrefetch: u16be,
  maximumPrefetch: u16be,
  prefetchCeiling: u16be,
  more: bits(u8, { fsw: 7, lbcss: 6, dra: 5, nvDis: 0 }),
  segments: u8,
  segmentSize: u16be,
  reserved: skip(4),
}, { size: 18 })

function setWriteCache(lun: Lun, on: boolean): Result {
  if (on === lun.writeCache) return Status.OK
  const refused = (s: Status): Status => (s === Status.NOT_HANDLED ? Status.INVALID_PARAM_LIST : s)
  const done = lun.setWriteCache(on)
  return typeof done === 'number' ? refused(done) : done.then(refused)
}

/** Mode page 08h. Without `flush` there is no write cache to speak of, and nothing to change. */
export const caching = modePage(0x08, 'Caching', Caching, {
  defaults: (lun) => ({ wce: lun.writeCacheDefault ?? lun.writeCache }),
  current: (lun) => ({ wce: lun.writeCache }),
  changeable: (lun) => ({ wce: lun.abilities.flush === 'native' }),
  apply: (lun, v) => setWriteCache(lun, v.wce === 1),
})
