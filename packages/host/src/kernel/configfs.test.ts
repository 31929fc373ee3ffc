import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KernelTree, type TreeDevice } from '../testing'
import { DeviceFolder, readText, writeValue } from './configfs'
import { errnoOf } from './reply'
import { SerialCache } from './serial'
import { mapSize, scanUio } from './uio-scan'

const tree = new KernelTree()
afterAll(() => tree.close())
const device: TreeDevice = { minor: 0, device: 'd', cfgstring: 'file//tmp/ Size: 1/x', hba: 3, sizeBytes: 2 ** 30, writeCache: 1 }
const folder = new DeviceFolder(tree.roots, { hba: 3, device: 'd', cfgstring: device.cfgstring })
beforeEach(() => void tree.add(device))

test('attributes', async () => {
  expect(await folder.attributes()).toEqual({ blockSize: 512, sizeBytes: 2 ** 30, maxSectors: 128, writeCache: true, timeouts: { command: 30, full: -1 } })
})
test('the size of a kernel without dev_size is the last in info', async () => {
  tree.set(device, 'attrib/dev_size', '')
  tree.set(device, 'info', 'Status: ACTIVATED\n        Config: file//tmp/ Size: 1/x Size: 4096 MaxDataAreaMB: 8\n')
  expect((await folder.attributes()).sizeBytes).toBe(4096)
})
test('a device that is not there', async () => {
  await expect(new DeviceFolder(tree.roots, { hba: 9, device: 'x', cfgstring: '' }).attributes()).rejects.toThrow(/^E_KERNEL_ATTRIBUTE: device x: .*hw_block_size: it cannot be read/)
})
test('a value is written to what is there, and never makes a file', async () => {
  expect(await folder.pushSize(8192)).toBe(true)
  expect(tree.read(device, 'control')).toBe('dev_size=8192')
  const missing = join(tree.folder(device), 'action/none')
  expect([await writeValue(missing, '1'), await readText(missing)]).toEqual([false, undefined])
  expect(readdirSync(join(tree.folder(device), 'action'))).not.toContain('none')
})
test.each([
  ['T10 VPD Unit Serial Number: abc-1\n', 'abc-1'], ['T10 VPD Unit Serial Number: \n', ''], ['garbage\n', ''], ['T10 VPD Unit Serial Number: a b\0', 'a b'],
])('serial %j', (text, serial) => {
  tree.set(device, 'wwn/vpd_unit_serial', text)
  expect(folder.serial()).toBe(serial)
})
test('a serial is read again after a while, and not once it is frozen', () => {
  let now = 0
  let reads = 0
  const cache = new SerialCache(() => String(++reads), 'first', () => now)
  expect([cache.value, cache.value]).toEqual(['1', '1'])
  now = 1000
  expect(cache.value).toBe('2')
  cache.freeze()
  now = 9000
  expect(cache.value).toBe('2')
})

test('the scan finds TCMU devices in order of their numbers', async () => {
  for (const minor of [10, 9]) tree.add({ minor, device: `m${minor}`, cfgstring: 'ram/' })
  const other = join(tree.roots.sys, 'class/uio/uio4')
  mkdirSync(other)
  writeFileSync(join(other, 'name'), 'uio_pci_generic\n')
  mkdirSync(join(tree.roots.sys, 'class/uio/uio5'))
  expect((await scanUio(tree.roots)).map((d) => d.minor)).toEqual([0, 9, 10])
  expect(await scanUio({ ...tree.roots, sys: join(tree.root, 'nothing') })).toEqual([])
})
test('the size of the mapping', async () => {
  const at = { minor: 0, hba: 3, device: 'd', cfgstring: '' }
  expect(await mapSize(tree.roots, at)).toBe(4096 + 2 ** 20)
  writeFileSync(join(tree.roots.sys, 'class/uio/uio0/maps/map0/size'), '12\n')
  await expect(mapSize(tree.roots, at)).rejects.toThrow(/^E_KERNEL_ATTRIBUTE: .*it says 12/)
})

test.each<[unknown, number]>([
  [new Error('x'), -5], [undefined, -5], ['text', -5], [Object.assign(new Error('x'), { code: 'ENOSPC' }), -28],
  [new Error('outer', { cause: Object.assign(new Error('x'), { errno: -13, code: 'EACCES' }) }), -13],
])('errno of %p', (e, n) => expect(errnoOf(e)).toBe(n))
