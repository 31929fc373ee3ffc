import { existsSync } from 'node:fs'
import { cdb } from '../../packages/host/src/testing/cdb'
import { Initiator } from '../lib/initiator'
import { senseOf, senses } from '../lib/initiator/sense'
import { cli, bench, type HostProcess } from '../lib/serve'
import { HandlerRoot } from '../lib/handler-root'
import { describeIf, requires } from '../lib/requires'
import { qemuIo, run, runOk } from '../lib/run'

const MiB = 2 ** 20

/** A disk of one block in every command it must answer, without the host's SCSI: `handleCmd` only. */
const commandsHandler = `
const OK = 0, NOT_HANDLED = -1
const answer = (task, bytes, room) => task.respond(Uint8Array.from(bytes), room)
const commands = {
  0x00: () => OK,
  0x12: (task) => answer(task, [0, 0, 5, 2, 31, 0, 0, 0, ...Buffer.from('THIRD   PARTY DISK      0001')], task.cdb[3] * 256 + task.cdb[4]),
  0x25: (task) => answer(task, [0, 0, 0, 7, 0, 0, 2, 0], 8),
  0xa0: (task) => answer(task, [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16),
}
module.exports = {
  subtype: 'party', open: () => ({}),
  handleCmd: (state, task) => (commands[task.cdb[0]] ?? (() => NOT_HANDLED))(task),
}
`

const manifest = (subtype: string, more: object = {}): object => ({ apiVersion: '^1.0', subtype, shape: 'blocks', configHelp: 'anything', ...more })
const packageJson = (name: string, field: unknown, more: object = {}): object =>
  ({ name, version: '1.0.0', main: 'index.cjs', keywords: ['tcmu-handler'], tcmuHandler: field, ...more })

const here = bench()
const ran = here.path('it-ran')
/** Code that leaves a mark when it runs. */
const marks = `require('node:fs').appendFileSync(${JSON.stringify(ran)}, __filename + '\\n')\nmodule.exports = { subtype: 'bad', open() {}, read() {}, write() {} }\n`
const badPackages: [name: string, json: unknown, code: string][] = [
  ['no-json', '{ "name": ', 'E_HANDLER_PACKAGE_JSON'],
  ['no-field', { name: 'no-field', version: '1.0.0', main: 'index.cjs', keywords: ['tcmu-handler'] }, 'E_HANDLER_NO_MANIFEST'],
  ['no-keyword', packageJson('no-keyword', manifest('bad'), { keywords: [] }), 'E_HANDLER_NO_KEYWORD'],
  ['other-api', packageJson('other-api', manifest('bad', { apiVersion: '^99.0' })), 'E_HANDLER_API'],
  ['odd-range', packageJson('odd-range', manifest('bad', { apiVersion: 'soon' })), 'E_HANDLER_MANIFEST'],
  ['odd-subtype', packageJson('odd-subtype', manifest('no-dashes')), 'E_HANDLER_MANIFEST'],
  ['odd-shape', packageJson('odd-shape', manifest('bad', { shape: 'round' })), 'E_HANDLER_MANIFEST'],
  ['no-help', packageJson('no-help', manifest('bad', { configHelp: undefined })), 'E_HANDLER_MANIFEST'],
  ['odd-options', packageJson('odd-options', manifest('bad', { options: { type: 'nonsense' } })), 'E_HANDLER_OPTIONS_SCHEMA'],
  ['other-node', packageJson('other-node', manifest('bad', { requires: { node: '>=999' } })), 'E_HANDLER_REQUIRES'],
  ['no-entry', packageJson('no-entry', manifest('bad'), { main: 'gone.cjs' }), 'E_HANDLER_ENTRY'],
  ['second-file', packageJson('second-file', manifest('file')), 'E_HANDLER_DUPLICATE'],
]

async function install(): Promise<void> {
  const root = new HandlerRoot(here.path('handlers'))
  root.install('tcmu-handler-ram', 'test/docs-examples/ram')
  root.linkHost()
  root.file('party', 'package.json', packageJson('party', manifest('party', { shape: 'commands' })))
  root.file('party', 'index.cjs', commandsHandler)
  for (const [name, json] of badPackages) {
    root.file(name, 'package.json', json)
    root.file(name, 'index.cjs', marks)
  }
  await root.enable('tcmu-handler-ram', 'party', 'second-file')
}

describe('packages placed into the handler root', () => {
  let host: HostProcess
  beforeAll(async () => {
    await install()
    host = await here.start({ luns: ['name=mem,size=16M,cfgstring=ram/scratch', 'name=own,size=4K,cfgstring=party/', here.fileLun('beside', '16M')] })
  })

  test('are listed, or refused with the reason of each', async () => {
    const { stdout } = await runOk(process.execPath, [cli, 'handlers', '--json', '--handler-root', here.path('handlers'), '--config', here.path('host.json')])
    const { handlers, refused } = JSON.parse(stdout) as { handlers: { subtype: string }[]; refused: { package: string; code: string; path: string }[] }
    expect(handlers.map((h) => h.subtype)).toEqual(expect.arrayContaining(['file', 'party', 'ram']))
    const found = Object.fromEntries(refused.map((r) => [r.path.split('/').pop(), r.code]))
    expect(found).toEqual(Object.fromEntries(badPackages.map(([name, , code]) => [name, code])))
  })

  describeIf(requires.qemu(), 'blocks shape', () => {
    test('the example of the README stores and reads back through QEMU', async () => {
      await qemuIo(host.lun(0), ['write -P 0x21 0 1M', 'write -P 0x43 15M 1M', 'flush', 'read -P 0x21 0 1M', 'read -P 0x43 15M 1M', 'read -P 0 1M 14M'])
      const { stdout } = await runOk('qemu-img', ['info', '--output=json', host.lun(0)])
      expect(JSON.parse(stdout)).toMatchObject({ 'virtual-size': 16 * MiB })
    })
    test('and a bundled one beside it', async () => {
      await qemuIo(host.lun(2), ['write -P 0x65 1M 64k', 'flush', 'read -P 0x65 1M 64k'])
    })
  })

  describeIf(requires.libiscsi(), 'commands shape', () => {
    test('answers INQUIRY and READ CAPACITY itself', async () => {
      const { stdout } = await runOk('iscsi-inq', [host.lun(1)])
      expect(stdout).toMatch(/Vendor:THIRD/)
      expect(stdout).toMatch(/Product:PARTY DISK/)
      expect((await runOk('iscsi-ls', ['-s', host.portal])).stdout).toMatch(/Lun:1 +Type:DIRECT_ACCESS/)
    })
    test('what it does not handle is an invalid operation code', async () => {
      const { code, text } = await run('iscsi-readcapacity16', [host.lun(1)])
      expect(code).not.toBe(0)
      expect(text).toMatch(/failed to send readcapacity command/)
      const session = await Initiator.open(host.port, { target: host.targetName })
      const answers = [await session.command({ cdb: cdb.readCapacity16(), in: 32, lun: 1 }), await session.command({ cdb: cdb.readCapacity16(), in: 32, lun: 1 })]
      expect(answers.map(senseOf)).toContain(senses.invalidOpcode)
      session.destroy()
    })
  })

  test('code of refused packages never ran', async () => {
    expect(await host.end()).toBe(0)
    expect(existsSync(ran)).toBe(false)
  })

  test('a LUN of a refused package is a clear error', async () => {
    await expect(here.start({ luns: ['name=x,size=1M,cfgstring=bad/x'] })).rejects.toThrow(/E_UNKNOWN_SUBTYPE: .*no handler "?bad"?/)
    expect(existsSync(ran)).toBe(false)
  })
})
