import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { expectGood, expectInvalidField, handlerConformance, initiatorOf, testDevice } from '@tcmu/host/testing'
import handler from './index.js'

// Everything the host relies on.
handlerConformance({ handler, config: '', geometry: { sizeBytes: 512 } }, { describe, test })

test('it says what it is', async () => {
  const device = await testDevice(handler)
  const initiator = initiatorOf(device)
  const { data } = expectGood(await initiator.inquiry())
  assert.equal(data.subarray(16, 32).toString().trimEnd(), '__PRODUCT__')
  expectInvalidField(await initiator.vpd(0x80))
  await device.close(1000)
})
