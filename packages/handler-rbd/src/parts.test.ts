import { execFileSync } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { Status } from '@tcmu/host/handler'
import { answerOf, answerRows } from './answers'
import { tagIn, tagText } from './lock'
import { opTimeout } from './session'

const { ETIMEDOUT, EROFS, EILSEQ, EINVAL, ENOSPC, ENOMEM, EIO, EOVERFLOW } = constants.errno

test.each([
  [ETIMEDOUT, Status.BUSY, Status.BUSY, 'timed-out'],
  [108, Status.BUSY, Status.BUSY, 'shut-out'],
  [EROFS, Status.BUSY, Status.BUSY, 'shut-out'],
  [EILSEQ, Status.RD_ERR, Status.MISCOMPARE, undefined],
  [EOVERFLOW, Status.RANGE, Status.RANGE, undefined],
  [EINVAL, Status.INVALID_CDB, Status.INVALID_CDB, undefined],
  [ENOSPC, Status.RD_ERR, Status.SPACE_FAILED, undefined],
  [ENOMEM, Status.NO_RESOURCE, Status.NO_RESOURCE, undefined],
  [EIO, Status.RD_ERR, Status.WR_ERR, undefined],
  [9999, Status.RD_ERR, Status.WR_ERR, undefined],
])('errno %d of the library', (errno, read, write, news) => {
  expect(answerOf(errno, 'read')).toEqual({ status: read, news })
  expect(answerOf(errno, 'write')).toEqual({ status: write, news })
  expect(answerOf(errno, 'none')).toEqual({ status: write, news })
})

test('each errno has one row', () => expect(new Set(answerRows.map((r) => r.name)).size).toBe(answerRows.length))

test.each([
  [undefined, 0, 26, 31], [40, 0, 26, 40], [10, 0, 26, 31], [10, 60, 26, 60], [26, 26, 26, 31], [30, 60, 26, 30],
])('osd_op_timeout=%p, %d configured, OSDs silent for %d s at most: %d s', (asked, configured, silence, expected) => {
  expect(opTimeout(asked, configured, silence)).toBe(expected)
})

test('a tag is that of the present holder, or none', () => {
  expect(tagIn(tagText(7, '127.0.0.1:0/1'), '127.0.0.1:0/1')).toBe(7)
  expect(tagIn(tagText(7, '127.0.0.1:0/1'), '127.0.0.1:0/2')).toBeUndefined()
  expect(['', 'tcmu_tag=,rbd_client=a', 'tcmu_tag=1', 'rbd_client=a,tcmu_tag=1'].map((t) => tagIn(t, 'a'))).toEqual([undefined, undefined, undefined, undefined])
})

test('a missing library is named, with the packages that have it', () => {
  // In a process of its own: what another test has loaded in this one stays.
  const code = "try { require('./dist/library').library('libnone-such.so.9') } catch (e) { process.stdout.write(e.message) }"
  const said = execFileSync(process.execPath, ['-e', code], { cwd: join(__dirname, '..'), encoding: 'utf8' })
  expect(said).toMatch(/^E_RBD_LIBRARY: .*libnone-such\.so\.9.*apt-get install librados2 librbd1$/)
})
