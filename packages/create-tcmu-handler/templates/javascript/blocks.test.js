import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { expectGood, handlerConformance, initiatorOf, testDevice } from '@tcmu/host/testing'
import handler from './index.js'

const MIB = 1024 * 1024

// Everything the host relies on. `volatile`: memory is gone after closing; leave it out when yours is not.
handlerConformance({ handler, config: '', geometry: { sizeBytes: 16 * MIB }, volatile: true, badConfigs: ['256', 'seven'] }, { describe, test })

test('new blocks are filled as configured', async () => {
  const device = await testDevice(handler, { config: '7' })
  const { data } = expectGood(await initiatorOf(device).read({ lba: 3, blocks: 1 }))
  assert.ok(data.every((byte) => byte === 7))
  await device.close(1000)
})
