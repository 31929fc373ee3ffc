import fc from 'fast-check'
import { TcmuError } from '../errors'
import { parseDeviceConfig, parseUioName } from './device-config'

describe('UIO names', () => {
  test.each([
    ['tcm-user/1/hand/file//tmp/f.img\n', { hba: 1, device: 'hand', cfgstring: 'file//tmp/f.img' }],
    ['tcm-user/0/a b:c/zbc/x@y;z=1/2\n\n', { hba: 0, device: 'a b:c', cfgstring: 'zbc/x@y;z=1/2' }],
    ['tcm-user/4294967295/d/ram', { hba: 4294967295, device: 'd', cfgstring: 'ram' }],
    ['tcm-user/0/d', { hba: 0, device: 'd', cfgstring: '' }],
    ['t/0/d/file/x', undefined], ['/0/d/file/x', undefined], ['tcm-user/x/d/file/x', undefined], ['tcm-user/0//file/x', undefined],
    ['tcm-user/0/../file/x', undefined], ['tcm-user/0', undefined], ['', undefined], ['uio_pci', undefined], ['tcm-user/-1/d/x', undefined],
  ])('%j', (text, wanted) => expect(parseUioName(text)).toEqual(wanted))

  test('what the kernel puts together is taken apart the same', () => {
    const device = fc.stringMatching(/^[ -.0-~]{1,30}$/).filter((d) => d !== '.' && d !== '..')
    const cfgstring = fc.stringMatching(/^[ -~]{0,100}$/)
    fc.assert(fc.property(fc.nat(), device, cfgstring, (hba, name, text) => {
      expect(parseUioName(`tcm-user/${hba}/${name}/${text}\n`)).toEqual({ hba, device: name, cfgstring: text })
    }))
  })
  test('any text is a name or none', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseUioName(`tcm-user/${text}`)))
  })
})

describe('configurations', () => {
  test.each([
    ['file//x\n', { subtype: 'file', config: '/x', commandTimeout: undefined }],
    ['rbd/p/i;tcmur_cmd_time_out=7', { subtype: 'rbd', config: 'p/i', commandTimeout: 7 }],
    ['rbd/p/i;tcmur_cmd_time_out=7;osd_op_timeout=30', { subtype: 'rbd', config: 'p/i;osd_op_timeout=30', commandTimeout: 7 }],
    ['rbd/p/i;tcmur_cmd_time_out=7;tcmur_cmd_time_out=9', { subtype: 'rbd', config: 'p/i', commandTimeout: 9 }],
    ['rbd/p/i;tcmur_cmd_time_out=x', { subtype: 'rbd', config: 'p/i;tcmur_cmd_time_out=x', commandTimeout: undefined }],
    ['ram', { subtype: 'ram', config: '', commandTimeout: undefined }],
  ])('%j', (text, wanted) => expect(parseDeviceConfig(text)).toEqual(wanted))

  test('any text is one or E_CFGSTRING', () => {
    fc.assert(fc.property(fc.string(), (text) => {
      try {
        parseDeviceConfig(text)
      } catch (e) {
        if (!(e instanceof TcmuError) || e.code !== 'E_CFGSTRING') throw e
      }
    }))
  })
})
