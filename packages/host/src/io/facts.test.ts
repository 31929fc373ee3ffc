import { mkdirSync, mkdtempSync, rmSync, type Stats, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mediumFacts } from './facts'

const sysfs = mkdtempSync(join(tmpdir(), 'tcmu-sysfs-'))
afterAll(() => rmSync(sysfs, { recursive: true }))

const disk = join(sysfs, 'devices/nvme0n1')
mkdirSync(join(disk, 'queue'), { recursive: true })
mkdirSync(join(disk, 'nvme0n1p2'))
mkdirSync(join(sysfs, 'dev/block'), { recursive: true })
symlinkSync('../../devices/nvme0n1', join(sysfs, 'dev/block/259:0'))
symlinkSync('../../devices/nvme0n1/nvme0n1p2', join(sysfs, 'dev/block/259:300'))
for (const [name, value] of Object.entries({ rotational: '0\n', discard_granularity: '512\n', logical_block_size: '4096\n', write_zeroes_max_bytes: '131072\n' })) {
  writeFileSync(join(disk, 'queue', name), value)
}

/** As glibc makes them: minor bits 0-7, major bits 0-11, minor bits 8-19. */
const dev = (major: number, minor: number): number => (minor % 256) + major * 256 + Math.floor(minor / 256) * 2 ** 20
const stat = (n: number, blockDevice: boolean): Stats => ({ dev: blockDevice ? 5 : n, rdev: blockDevice ? n : 0, isBlockDevice: () => blockDevice }) as Stats
const facts = { rotational: false, discardGranularity: 512, logicalBlock: 4096, writesZeroes: true }

test('of the disk a file lies on, of a partition, of a device itself', async () => {
  expect(await mediumFacts(stat(dev(259, 0), false), sysfs)).toEqual(facts)
  expect(await mediumFacts(stat(dev(259, 300), false), sysfs)).toEqual(facts)
  expect(await mediumFacts(stat(dev(259, 0), true), sysfs)).toEqual(facts)
})

test('of nothing that is known', async () => {
  expect(await mediumFacts(stat(dev(0, 42), false), sysfs)).toEqual({ writesZeroes: false })
})

test('nonsense in sysfs is not a fact', async () => {
  writeFileSync(join(disk, 'queue/rotational'), 'maybe\n')
  writeFileSync(join(disk, 'queue/discard_granularity'), '0\n')
  expect(await mediumFacts(stat(dev(259, 0), false), sysfs)).toMatchObject({ rotational: undefined, discardGranularity: undefined })
})
