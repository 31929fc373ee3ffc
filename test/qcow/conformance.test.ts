import { execFileSync } from 'node:child_process'
import qcow from '@tcmu/handler-qcow'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { handlerConformance } from '../../packages/host/src/testing'
import { describeIf, requires } from '../lib/requires'
import { images } from './lib'

const SIZE = 16 * 2 ** 20
let engine: IoEngine
beforeAll(() => void (engine = createIoEngine()))
afterAll(() => engine.close())
const io = { open: (...a: Parameters<IoEngine['open']>) => engine.open(...a) } as IoEngine

describeIf(requires.command('qemu-img', 'qemu-utils'), 'the promises of a handler', () => {
  const at = images()
  const made = (...options: string[]) => (): string => {
    const path = at.path()
    execFileSync('qemu-img', ['create', '-q', ...options, path, String(SIZE)])
    return path
  }
  describe.each([
    ['qcow2', ['-f', 'qcow2'], 512], ['qcow2, blocks of 4096 bytes, clusters of 2 MiB', ['-f', 'qcow2', '-o', 'cluster_size=2M'], 4096],
    ['qcow2, extended L2', ['-f', 'qcow2', '-o', 'extended_l2=on,cluster_size=16k'], 512], ['version 2', ['-f', 'qcow2', '-o', 'compat=0.10'], 512], ['qcow', ['-f', 'qcow'], 512],
  ] as const)('%s', (_name, options, blockSize) => {
    handlerConformance({ handler: qcow, config: made(...options), geometry: { sizeBytes: SIZE, blockSize }, badConfigs: ['', 'relative'], io })
  })
})
