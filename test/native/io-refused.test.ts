import { spawnSync } from 'node:child_process'
import { constants } from 'node:os'
import { join, resolve } from 'node:path'
import { createIoEngine } from '../../packages/host/src/io'
import { Segments } from '../../packages/host/src/wire'
import { describeIf, requires } from '../lib/requires'
import { temporaryFolder } from './lib'

const { EPERM, ENOSYS, EINVAL, ENOMEM, EOPNOTSUPP, EIO } = constants.errno
const folder = temporaryFolder()

const cases: readonly (readonly [errno: number, about: RegExp])[] = [
  [EPERM, /^threads: io_uring is forbidden here \(EPERM\)$/],
  [ENOSYS, /^threads: this kernel has no io_uring \(ENOSYS\)$/],
  [EINVAL, /^threads: this kernel's io_uring is too old; .* \(EINVAL\)$/],
  [EOPNOTSUPP, /^threads: this kernel's io_uring is too old; .* \(ENOTSUP\)$/],
  [ENOMEM, /^threads: there is no memory for io_uring \(ENOMEM\)$/],
  [EIO, /^threads: io_uring does not work here \(EIO\)$/],
]

test.each(cases)('refused with errno %d: threads do the work, and say so', async (errno, about) => {
  const engine = createIoEngine({ uringRefusal: errno })
  expect(engine.about).toMatch(about)
  const file = await engine.open(join(folder, `file-${errno}`), { create: true, size: 4096 })
  const data = Segments.of(new Uint8Array(4096).fill(3))
  await file.writev(data, 0, true)
  await file.readv(data, 0)
  expect(data.compare(new Uint8Array(4096).fill(3))).toBe(-1)
  await engine.close()
})

test('who insists on io_uring hears why it is not to be had', () => {
  expect(() => createIoEngine({ engine: 'uring', uringRefusal: EPERM }))
    .toThrow('E_IO_ENGINE: io_uring is forbidden here (EPERM), and file I/O was to go through it. Use --io-engine auto or threads')
})

test('threads as asked', async () => {
  const engine = createIoEngine({ engine: 'threads' })
  expect(engine.about).toBe('threads, as asked')
  await engine.close()
})

describeIf(requires.command('cc', 'gcc'), 'under a system call filter, as containers have it', () => {
  const program = join(folder, 'forbid')
  beforeAll(() => {
    const made = spawnSync('cc', ['-o', program, resolve(__dirname, 'fixtures/forbid-uring.c')], { encoding: 'utf8' })
    expect([made.status, made.stderr]).toEqual([0, ''])
  })

  test.each([['setup', 'io_uring_setup'], ['enter', 'io_uring_enter'], ['register', 'io_uring_register']])('%s', (call) => {
    const run = spawnSync(program, [call, process.execPath, resolve(__dirname, '../lib/ts.cjs'), resolve(__dirname, 'fixtures/use-engine.ts'), join(folder, `filtered-${call}`)], { encoding: 'utf8', timeout: 60_000 })
    expect(run).toMatchObject({ status: 0, stderr: '', stdout: 'threads: io_uring is forbidden here (EPERM); read back\n' })
  })
})
