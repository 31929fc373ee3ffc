import { constants } from 'node:os'
import fc from 'fast-check'
import { Status } from '@tcmu/host/handler'
import handler from '.'
import { answerOf } from './answers'
import { within } from './deadline'
import { extentsOf } from './extents'
import { connectFailures, openFailures, refusalOf, refusals, refuse } from './refuse'

const { ENOTCONN, EAGAIN, ENOSPC, EROFS, EINVAL, ENOMEM, EOPNOTSUPP, EIO, ETIMEDOUT, ESTALE } = constants.errno
const EBADFD = 77

test.each([
  [ENOTCONN, 'read', Status.BUSY, 'connection-lost'], [EBADFD, 'write', Status.BUSY, 'connection-lost'], [ESTALE, 'none', Status.BUSY, 'connection-lost'],
  [ETIMEDOUT, 'read', Status.BUSY, 'connection-lost'], [EAGAIN, 'read', Status.BUSY, 'lock-lost'], [ENOSPC, 'write', Status.SPACE_FAILED, undefined],
  [EROFS, 'write', Status.WRITE_PROTECTED, undefined], [EINVAL, 'read', Status.INVALID_CDB, undefined], [ENOMEM, 'write', Status.NO_RESOURCE, undefined],
  [EOPNOTSUPP, 'write', Status.NOT_HANDLED, undefined], [EIO, 'read', Status.RD_ERR, undefined], [EIO, 'write', Status.WR_ERR, undefined], [EIO, 'none', Status.WR_ERR, undefined],
  [9999, 'read', Status.RD_ERR, undefined],
] as const)('errno %d of a %s', (errno, access, status, loss) => {
  expect(answerOf(errno, access)).toMatchObject({ status, ...(loss && { loss }) })
  expect(answerOf(errno, access).loss).toBe(loss)
})

test('a configuration is read before anything is opened', async () => {
  expect(await handler.checkConfig!('vol@host', undefined)).toMatch(/file is missing/)
})

test('stored pieces make a range without gaps', () => {
  expect(extentsOf([4096, 8192], 0, 16384)).toEqual([
    { offset: 0, length: 4096, state: 'deallocated' }, { offset: 4096, length: 8192, state: 'mapped' }, { offset: 12288, length: 4096, state: 'deallocated' },
  ])
  fc.assert(fc.property(fc.nat(100), fc.nat(100), fc.array(fc.nat(60), { maxLength: 10 }), (offset, length, steps) => {
    const stored: number[] = []
    let position = offset
    for (const [i, step] of steps.entries()) stored.push(i % 2 === 0 ? (position += step) : step)
    const pieces = extentsOf(stored.slice(0, stored.length - (stored.length % 2)), offset, length)
    let at = offset
    for (const p of pieces) {
      expect(p.offset).toBe(at)
      expect(p.length).toBeGreaterThan(0)
      at += p.length
    }
    expect(at).toBe(offset + length)
  }))
})

test('every refusal says what happened to which file, and what to do', () => {
  const facts = { location: 'v@h/f', volume: 'v', device: 'd', code: 'EX', fileBytes: 1, sizeBytes: 2, reason: 'r', package: 'p' }
  for (const code of refusals) {
    const { message } = refuse(code, facts)
    expect(message).toMatch(new RegExp(`^${code}: `))
    expect(message).not.toMatch(/[{}?]/)
  }
  expect(refusalOf(connectFailures, { code: 'ENOENT' }, facts).code).toBe('E_GLFS_VOLUME')
  expect(refusalOf(openFailures, new Error('no code'), facts).code).toBe('E_GLFS_ACCESS')
})

test('nobody waits longer than may be', async () => {
  expect(await within(1000, Promise.resolve(1))).toBe(1)
  expect(await within(10, new Promise(() => undefined))).toBeUndefined()
  await expect(within(1000, Promise.reject(new Error('x')))).rejects.toThrow('x')
})
