import { constants } from 'node:os'
import fc from 'fast-check'
import { errnoTable, isConnectionLoss, statusOfError } from './errno'
import { isStatus, Status } from '../scsi/status'

const error = (code: string, cause?: unknown): Error => Object.assign(new Error('x', { cause }), { code })

test.each([
  ['EIO', Status.RD_ERR, Status.WR_ERR, Status.WR_ERR],
  ['EILSEQ', Status.RD_ERR, Status.WR_ERR, Status.WR_ERR],
  ['ENOSPC', Status.SPACE_FAILED, Status.SPACE_FAILED, Status.SPACE_FAILED],
  ['EROFS', Status.HW_ERR, Status.WRITE_PROTECTED, Status.HW_ERR],
  ['EAGAIN', Status.BUSY, Status.BUSY, Status.BUSY],
  ['ETIMEDOUT', Status.BUSY, Status.BUSY, Status.BUSY],
  ['EMFILE', Status.NO_RESOURCE, Status.NO_RESOURCE, Status.NO_RESOURCE],
  ['ESTALE', Status.NOT_READY, Status.NOT_READY, Status.NOT_READY],
  ['EFBIG', Status.RANGE, Status.RANGE, Status.RANGE],
  ['EINVAL', Status.HW_ERR, Status.HW_ERR, Status.HW_ERR],
])('%s', (code, read, write, none) => {
  expect(statusOfError(error(code), 'read')).toBe(read)
  expect(statusOfError(error(code), 'write')).toBe(write)
  expect(statusOfError(error(code), 'none')).toBe(none)
})

test('an abort is an abort, and a fault of the code is a hardware error', () => {
  const c = new AbortController()
  c.abort()
  expect(statusOfError(c.signal.reason, 'read')).toBe(Status.ABORTED)
  expect(statusOfError(new TypeError('x is not a function'), 'read')).toBe(Status.HW_ERR)
})

test('what caused the error counts when the error itself says nothing', () => {
  expect(statusOfError(new Error('cannot read layer 3', { cause: error('EIO') }), 'read')).toBe(Status.RD_ERR)
  expect(statusOfError(error('EBUSY', error('EIO')), 'read')).toBe(Status.BUSY)
})

test('a ring of causes ends', () => {
  const e = new Error('round') as Error & { cause?: unknown }
  e.cause = e
  expect(statusOfError(e, 'write')).toBe(Status.HW_ERR)
})

test('connection losses', () => {
  expect(isConnectionLoss(error('ECONNRESET'))).toBe(true)
  expect(isConnectionLoss(error('EBUSY'))).toBe(false)
})

test('every name in the table is an errno of this system', () => {
  for (const [names] of errnoTable) for (const n of names.filter((name) => name.startsWith('E'))) {
    expect(n === 'EHOSTDOWN' || n in constants.errno).toBe(true)
  }
})

test('whatever is thrown becomes a status', () => {
  fc.assert(fc.property(fc.anything(), fc.constantFrom('read', 'write', 'none'), (e, access) => isStatus(statusOfError(e, access))))
})
