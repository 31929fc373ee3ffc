import { leftIn } from './space'

const of = (stats: object, total = 1000) => ({ stats: { total_bytes: total }, pools: [{ name: 'other', stats: { max_avail: 1 } }, { name: 'rbd', stats }] })

test.each([
  ['what the cluster still takes', of({ stored: 10, max_avail: 400 }), 400],
  ['the quota, where it is less', of({ stored: 10, max_avail: 400, quota_bytes: 100 }), 90],
  ['the cluster, where that is less', of({ stored: 10, max_avail: 50, quota_bytes: 100 }), 50],
  ['nothing beyond the quota', of({ stored: 120, max_avail: 400, quota_bytes: 100 }), 0],
  ['unknown without a manager: everything is zero', of({ stored: 0, max_avail: 0 }, 0), undefined],
  ['unknown for a pool that is not listed', { stats: { total_bytes: 1000 }, pools: [] }, undefined],
  ['unknown when the answer has nothing of it', {}, undefined],
])('%s', (_name, answer, expected) => expect(leftIn('rbd', answer)).toBe(expected))
