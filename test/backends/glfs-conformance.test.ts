import glfs from '@tcmu/handler-glfs'
import { handlerConformance } from '../../packages/host/src/testing'
import type { IoEngine } from '../../packages/host/src/io'
import { gluster, glusterLack } from './gluster'
import { describeIf } from '../lib/requires'
import { volumes } from './glfs-lib'

const SIZE = 16 * 2 ** 20

describeIf(glusterLack(), 'the promises of a handler, on a Gluster volume', () => {
  const node = gluster('vol', ['sync', { 'performance.write-behind': 'off' }])
  const at = volumes(node)
  const io: Pick<IoEngine, 'open' | 'image'> = { open: (...a) => at.engine.open(...a), image: (...a) => at.engine.image!(...a) }
  let files = 0
  describe.each([['write-behind', 'vol', 512], ['write-behind off, blocks of 4096 bytes', 'sync', 4096]] as const)('%s', (_name, volume, blockSize) => {
    handlerConformance({
      handler: glfs, config: () => at.config(`conformance-${files++}`, volume), options: { create: true }, geometry: { sizeBytes: SIZE, blockSize },
      badConfigs: ['', 'vol', 'vol@host', '@host/file', 'vol@host:x/file'], io: io as IoEngine,
    })
  })
})
