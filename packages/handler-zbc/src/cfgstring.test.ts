import fc from 'fast-check'
import { domainConfig } from './domains/options'
import { zbcConfig } from './options'

test.each([
  ['/srv/z.img', { options: {}, path: '/srv/z.img' }],
  ['@/srv/z.img', { options: {}, path: '/srv/z.img' }],
  ['model-HA/lba-4096/zsize-64/conv-0/open-1/@/a@b', { options: { model: 'HA', lba: 4096, zsize: 64, conv: 0, open: 1 }, path: '/a@b' }],
  ['conv-1/conv-2@/a', { options: { conv: 2 }, path: '/a' }],
  ['phys-4096/urswrz-n/format-y/model-hm@/a', { options: { phys: 4096, urswrz: false, format: true, model: 'HM' }, path: '/a' }],
])('zbc/%s', (text, parsed) => {
  expect(zbcConfig(text, undefined)).toEqual(parsed)
})

test.each([
  ['', 'Failed to get path'], ['conv-1@', 'Failed to get path'], ['/a\0b', 'Failed to get path'],
  ['srv/z.img', 'Invalid configuration string format'], ['conv-1', 'Invalid configuration string format'], ['conv@/a', 'Invalid configuration string format'],
  ['zones-1@/a', 'Invalid option name'], ['-1@/a', 'Invalid option name'], ['__proto__-1@/a', 'Invalid option name'],
  ['model-XX@/a', 'Invalid device model'], ['lba-1024@/a', 'Invalid LBA size'], ['zsize-3@/a', 'Invalid zone size'], ['zsize-0@/a', 'Invalid zone size'],
  ['zsize-64k@/a', 'Invalid zone size'], ['conv-abc@/a', 'Invalid number of conventional zones'], ['conv--1@/a', 'Invalid number of conventional zones'],
  ['open-0@/a', 'Invalid number of open zones'], ['open-99999999999@/a', 'Invalid number of open zones'], ['lba-4096/phys-512@/a', 'Invalid physical block size'],
])('zbc/%j: %s', (text, message) => {
  expect(zbcConfig(text, undefined)).toBe(message)
})

test('structured options win over the text', () => {
  expect(zbcConfig('zsize-64@/a', { zsize: 128, model: 'HA' })).toMatchObject({ options: { zsize: 128, model: 'HA' } })
  expect(zbcConfig('/a', { zsize: 3 })).toBe('Invalid zone size')
  expect(domainConfig('/a', { zsize: '64K', rsize: 640, sgain: 1.5, wpcheck: true })).toEqual({ path: '/a', options: { zsize: 65536, rsize: 640 * 2 ** 20, sgain: 150, wpcheck: true } })
})

test('any text is a configuration or a sentence', () => {
  const piece = fc.oneof(fc.string(), fc.constantFrom('model-HM', 'zsize-', 'conv-5', '/', '@', '-', 'type-ZD_SOBR', 'sgain-1.25', '64K'))
  fc.assert(fc.property(fc.array(piece).map((p) => p.join('')), (text) => {
    for (const parsed of [zbcConfig(text, undefined), domainConfig(text, undefined)]) expect(typeof parsed === 'string' ? parsed.length > 5 : parsed.path !== '').toBe(true)
  }))
})
