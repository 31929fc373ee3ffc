import fc from 'fast-check'
import { TcmuError } from '../errors'
import { checkIscsiName, formatAddress, isLoopback, parseAddress } from './address'
import { parseCfgstring } from './cfgstring'
import { parseLun } from './lun'
import { serialOf } from './serial'
import { formatSize, parseSize } from './size'

/** The value, or the code of the error; anything that is no error of ours fails. */
const outcome = (parse: () => unknown): unknown => {
  try {
    return parse()
  } catch (e) {
    if (!(e instanceof TcmuError)) throw e
    expect(e.message).not.toMatch(/[\r\n]/)
    expect(e.message.length).toBeLessThan(1000)
    return e.code
  }
}

describe('sizes', () => {
  test.each([
    ['0', 0], ['512', 512], ['64M', 2 ** 26], ['64m', 2 ** 26], ['1G', 2 ** 30], ['2TiB', 2 ** 41], ['1K', 1024], ['7P', 7 * 2 ** 50], [4096, 4096],
    ['8P', 'E_SIZE'], ['9007199254740992', 'E_SIZE'], ['99999999999999999999', 'E_SIZE'], ['', 'E_SIZE'], ['M', 'E_SIZE'], ['1.5G', 'E_SIZE'],
    ['-1', 'E_SIZE'], ['1 G', 'E_SIZE'], ['1KB', 'E_SIZE'], ['1e3', 'E_SIZE'], ['0x10', 'E_SIZE'], ['1GiBs', 'E_SIZE'], [-1, 'E_SIZE'], [1.5, 'E_SIZE'], [NaN, 'E_SIZE'],
  ])('%j is %j', (text, value) => expect(outcome(() => parseSize(text))).toBe(value))

  test('what is printed is read again', () => {
    fc.assert(fc.property(fc.oneof(fc.maxSafeNat(), fc.nat(1000).map((n) => n * 2 ** 30)), (n) => expect(parseSize(formatSize(n))).toBe(n)))
  })
  test('any text is a size or E_SIZE', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{0,20}[KMGTPkib]{0,4}$/)), (text) => {
      const v = outcome(() => parseSize(text))
      expect(v === 'E_SIZE' || (Number.isSafeInteger(v) && (v as number) >= 0)).toBe(true)
    }))
  })
})

describe('cfgstrings', () => {
  test.each([
    ['file//srv/a.img', { subtype: 'file', config: '/srv/a.img' }],
    ['ram/', { subtype: 'ram', config: '' }],
    ['qcow/a,b;c=d/e', { subtype: 'qcow', config: 'a,b;c=d/e' }],
    ['file', 'E_CFGSTRING'], ['/file', 'E_CFGSTRING'], ['', 'E_CFGSTRING'], ['my-file/x', 'E_CFGSTRING'], ['file/a\nb', 'E_CFGSTRING'],
    ['file/\0', 'E_CFGSTRING'], [`${'x'.repeat(65)}/`, 'E_CFGSTRING'], [`file/${'x'.repeat(9000)}`, 'E_CFGSTRING'],
  ])('%j', (text, value) => expect(outcome(() => parseCfgstring(text))).toEqual(value))

  test('what is put together is taken apart the same', () => {
    fc.assert(fc.property(fc.stringMatching(/^[A-Za-z0-9_]{1,64}$/), fc.stringMatching(/^[ -~]{0,200}$/), (subtype, config) => {
      expect(parseCfgstring(`${subtype}/${config}`)).toEqual({ subtype, config })
    }))
  })
  test('any text is a cfgstring or E_CFGSTRING', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => {
      const v = outcome(() => parseCfgstring(text))
      if (v !== 'E_CFGSTRING') expect(`${(v as { subtype: string }).subtype}/${(v as { config: string }).config}`).toBe(text)
    }))
  })
})

describe('--lun', () => {
  const base = { name: 'a', subtype: 'file', config: '/x', sizeBytes: 0, blockSize: 512, readOnly: false, options: undefined, serial: undefined }
  test.each([
    ['name=a,cfgstring=file//x', {}],
    ['name=a,size=64M,cfgstring=file//x', { sizeBytes: 2 ** 26 }],
    ['size=512,name=a,cfgstring=file//x,size=1,name=b,cfgstring=c', { sizeBytes: 512, config: '/x,size=1,name=b,cfgstring=c' }],
    ['name=a,blocksize=4096,readonly,serial=12-ab,cfgstring=file//x', { blockSize: 4096, readOnly: true, serial: '12-ab' }],
    ['name=a,blocksize=4K,readonly=No,cfgstring=file//x', { blockSize: 4096 }],
    ['name=a,cfgstring=file//x=y,', { config: '/x=y,' }],
  ])('%s', (text, more) => expect(parseLun(text)).toEqual({ ...base, ...more }))

  test.each([
    ['', /a part of it is empty/], ['name=a', /no cfgstring=/], ['cfgstring=file//x', /no name=/], ['name=a,name=b,cfgstring=file/x', /name is there twice/],
    ['name=a,sise=1,cfgstring=file/x', /"sise" is none of name, size/], ['name=a,,cfgstring=file/x', /a part of it is empty/], ['name=-a,cfgstring=file/x', /name "-a"/],
    ['name=a b,cfgstring=file/x', /name "a b"/], ['name=a,size=1KB,cfgstring=file/x', /"1KB" is not a size: KB, MB/], ['name=a,size=,cfgstring=file/x', /"" is not a size/],
    ['name=a,blocksize=1000,cfgstring=file/x', /power of two/], ['name=a,blocksize=131072,cfgstring=file/x', /power of two/],
    ['name=a,readonly=maybe,cfgstring=file/x', /yes or no/], ['name=a,readonly=constructor,cfgstring=file/x', /yes or no/], ['name=a,serial=a b,cfgstring=file/x', /serial/], ['name=a,cfgstring=file', /has no slash/],
    ['name=a,cfgstring=', /has no slash/], ['name,cfgstring=a/b', /name ""/], ['__proto__=1,name=a,cfgstring=a/b', /__proto__/],
  ])('%j is refused with its reason', (text, reason) => {
    expect(() => parseLun(text)).toThrow(expect.objectContaining({ code: 'E_LUN_TEXT', message: expect.stringMatching(reason) }))
  })

  test('what is put together is taken apart the same, in any order', () => {
    const lun = fc.record({
      name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/), size: fc.maxSafeNat(), blockSize: fc.constantFrom(512, 4096), readOnly: fc.boolean(),
      config: fc.stringMatching(/^[ -~]{0,100}$/), order: fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
    })
    fc.assert(fc.property(lun, ({ name, size, blockSize, readOnly, config, order }) => {
      const parts = [`name=${name}`, `size=${size}`, `blocksize=${blockSize}`, `readonly=${readOnly}`]
      const shuffled = parts.map((p, i) => [order[i]!, p] as const).sort((a, b) => a[0] - b[0]).map(([, p]) => p)
      expect(parseLun(`${shuffled.join(',')},cfgstring=file/${config}`)).toEqual({ ...base, name, sizeBytes: size, blockSize, readOnly, config })
    }))
  })
  test('any text is a LUN or E_LUN_TEXT', () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom('name=a', 'size=1', 'readonly', 'cfgstring=a/b', 'blocksize=512', '='))
    fc.assert(fc.property(fc.array(piece), (pieces) => {
      const v = outcome(() => parseLun(pieces.join(',')))
      if (typeof v === 'string') expect(v).toBe('E_LUN_TEXT')
    }))
  })
})

describe('addresses', () => {
  test.each([
    ['127.0.0.1:3261', { address: '127.0.0.1', port: 3261 }], ['127.0.0.1', { address: '127.0.0.1', port: 3260 }], ['localhost:0', { address: '127.0.0.1', port: 0 }],
    ['[::1]:3260', { address: '::1', port: 3260 }], ['[fe80::1]', { address: 'fe80::1', port: 3260 }],
    ['::1', 'E_PORTAL_ADDRESS'], ['[127.0.0.1]:1', 'E_PORTAL_ADDRESS'], ['host.example:1', 'E_PORTAL_ADDRESS'], ['1.2.3.4:65536', 'E_PORTAL_ADDRESS'],
    ['1.2.3.4:', 'E_PORTAL_ADDRESS'], [':3260', 'E_PORTAL_ADDRESS'], ['', 'E_PORTAL_ADDRESS'], ['[::1', 'E_PORTAL_ADDRESS'], ['1.2.3.4:1:2', 'E_PORTAL_ADDRESS'],
  ])('%j', (text, value) => expect(outcome(() => parseAddress(text))).toEqual(value))

  test('what is printed is read again', () => {
    fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(65535), (address, port) => {
      expect(parseAddress(formatAddress({ address, port }))).toEqual({ address, port })
    }))
  })
  test.each([
    ['127.0.0.1', true], ['127.8.9.1', true], ['::1', true], ['::ffff:127.0.0.1', true], ['0:0:0:0:0:0:0:1', true],
    ['0.0.0.0', false], ['::', false], ['10.0.0.1', false], ['::ffff:10.0.0.1', false], ['128.0.0.1', false], ['fe80::1', false],
  ])('%s is loopback: %s', (address, value) => expect(isLoopback(address)).toBe(value))
  test('any text is an address or E_PORTAL_ADDRESS', () => {
    fc.assert(fc.property(fc.string(), (text) => {
      const v = outcome(() => parseAddress(text))
      if (typeof v === 'string') expect(v).toBe('E_PORTAL_ADDRESS')
    }))
  })
})

describe('iSCSI names', () => {
  test.each(['iqn.2026-11.host.tcmu:default', 'iqn.2001-04.com.example', 'iqn.2001-04.com.example:a:b-c.d', 'eui.02004567a425678d', 'naa.52004567ba64678d'])('%s', (name) =>
    expect(checkIscsiName(name)).toBe(name))
  test.each([
    '', 'iqn.', 'iqn.2026-13.host', 'iqn.2026-11.Host', 'iqn.2026-11.host:a b', 'iqn.2026-11.host:', 'iqn.2026-11.host:a/0', 'eui.1', 'naa.zz', 'disk',
    `iqn.2026-11.host:${'x'.repeat(220)}`,
  ])('%j is none', (name) => expect(outcome(() => checkIscsiName(name))).toBe('E_TARGET_NAME'))
})

describe('serial numbers', () => {
  test('are UUIDs that depend on the names of target and LUN alone', () => {
    const a = serialOf('iqn.2026-11.host.tcmu:default', 'disk0')
    expect(a).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    // Disks are known by it: a change would make every disk another one.
    expect(a).toBe('62868b6e-b2c9-5139-b1de-18750186b724')
    expect(serialOf('iqn.2026-11.host.tcmu:default', 'disk0')).toBe(a)
    expect(new Set([a, serialOf('iqn.2026-11.host.tcmu:default', 'disk1'), serialOf('iqn.2026-11.host.tcmu:other', 'disk0')]).size).toBe(3)
  })
})
