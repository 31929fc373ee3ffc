import rbd from '@tcmu/handler-rbd'
import { createIoEngine, type IoEngine } from '../../packages/host/src/io'
import { handlerConformance } from '../../packages/host/src/testing'
import { describeIf } from '../lib/requires'
import { ceph, cluster } from './ceph'

const SIZE = 16 * 2 ** 20
let engine: IoEngine
beforeAll(() => void (engine = createIoEngine()))
afterAll(() => engine.close())
const io = { open: (...a: Parameters<IoEngine['open']>) => engine.open(...a), image: (...a: Parameters<NonNullable<IoEngine['image']>>) => engine.image!(...a) } as IoEngine

describeIf(ceph(), 'the promises of a handler', () => {
  const made = cluster()
  let images = 0
  const fresh = (...more: string[]) => (): Promise<string> => made.it.image(`image${images++}`, '16M', ...more)
  const badConfigs = ['', 'rbd', 'rbd/', '/rbd/a;conf', 'rbd/none;conf=/nowhere']

  describe.each([
    ['blocks of 512 bytes', [], 512], ['blocks of 4096 bytes', [], 4096], ['objects of 64 KiB, striped', ['--object-size', '64K', '--stripe-unit', '16K', '--stripe-count', '4'], 512],
    ['without an object map', ['--image-feature', 'layering,exclusive-lock'], 512],
  ] as const)('%s', (_name, options, blockSize) => {
    handlerConformance({ handler: rbd, config: fresh(...options), geometry: { sizeBytes: SIZE, blockSize }, badConfigs, io })
  })
})
