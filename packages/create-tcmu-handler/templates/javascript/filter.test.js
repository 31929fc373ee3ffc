import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withFilters } from '@tcmu/host/filter'
import { expectGood, filterConformance, initiatorOf, ramHandler, testDevice } from '@tcmu/host/testing'
import filter from './index.js'

// Everything the host relies on: in front of disks in memory, and between other filters.
filterConformance({ filter, options: { key: 90 } }, { describe, test })

test('the medium holds other bits', async () => {
  let medium = Buffer.alloc(0)
  const disk = { ...ramHandler, open: () => (medium = Buffer.alloc(1024 * 1024)) }
  const device = await testDevice(withFilters(disk, [{ filter, options: { key: 15 } }]))
  expectGood(await initiatorOf(device).write(3, new Uint8Array(512).fill(0xf0)))
  assert.ok(medium.subarray(3 * 512, 4 * 512).every((byte) => byte === 0xff))
  await device.close(1000)
})
