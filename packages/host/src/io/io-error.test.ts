import { IoOp } from '../platform/native'
import { ioError } from './io-error'

test('errors look like those of Node\'s fs', () => {
  expect(ioError(28, IoOp.WRITEV, '/srv/a')).toMatchObject({
    code: 'ENOSPC', errno: -28, syscall: 'write', path: '/srv/a', message: "ENOSPC: no space left on device, write '/srv/a'",
  })
  expect(ioError(99999, 77, '/x').message).toBe("E99999: error 99999, operation 77 '/x'")
})
