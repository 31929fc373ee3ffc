import { DbusService } from '../../packages/host/src/control/dbus'
import { privateBus } from '../lib/bus'
import { describeIf, type Lack, requires } from '../lib/requires'
import { spawnSync } from 'node:child_process'

/** Debian's own interpreter: modules of packages are in no other one. */
const python = '/usr/bin/python3'
const module_ = (name: string, debianPackage: string): Lack =>
  spawnSync(python, ['-c', `import ${name}`], { timeout: 60_000 }).status === 0 ? undefined : `needs the Python module ${name}; apt-get install ${debianPackage}`
const needs = requires.all(requires.command('dbus-daemon', 'dbus-daemon'), module_('gi', 'python3-gi'))

const objectManager = `
import gi
from gi.repository import Gio
client = Gio.DBusObjectManagerClient.new_for_bus_sync(Gio.BusType.SYSTEM, Gio.DBusObjectManagerClientFlags.NONE,
    'org.kernel.TCMUService1', '/org/kernel/TCMUService1', None, None, None)
print('owner', client.get_name_owner() is not None)
for o in sorted(client.get_objects(), key=lambda o: o.get_object_path()):
    proxy = o.get_interface('org.kernel.TCMUService1')
    print(o.get_object_path(), repr(proxy.get_cached_property('ConfigDesc').unpack()), proxy.CheckConfig('(s)', o.get_object_path().rsplit('/', 1)[1] + '//x'))
`
/** targetcli's own code, short of what needs the kernel: it uses nothing of \`self\` here. */
const listing = `
from targetcli.ui_backstore import UIBackstores
for name, iface, props in UIBackstores._user_backstores(None):
    print('user:' + name, repr(props['org.kernel.TCMUService1']['ConfigDesc']))
    print(iface.CheckConfig('(s)', name + '/relative'))
    print(iface.ChangeMedium('(sts)', 'disk0', 1 << 40, name + '//y'))
`

describeIf(needs, 'clients that we did not write', () => {
  const bus = privateBus()
  let service: DbusService
  beforeAll(async () => {
    const mute = (): void => undefined
    service = new DbusService({
      address: bus.address, log: { error: mute, warn: mute, info: mute, debug: mute },
      handlers: {
        list: () => [{ subtype: 'file', configHelp: '/path/to/file' }, { subtype: 'qcow', configHelp: 'an image' }],
        check: async (_, config) => config.startsWith('/') || 'wanted an absolute path', device: () => undefined,
      },
    })
    await service.start()
  })
  afterAll(() => service.stop())

  test("GLib's DBusObjectManagerClient sees one object for each handler", async () => {
    expect((await bus.ask(python, ['-c', objectManager])).trimEnd().split('\n')).toEqual([
      'owner True',
      `/org/kernel/TCMUService1/file '/path/to/file' (True, 'success')`,
      `/org/kernel/TCMUService1/qcow 'an image' (True, 'success')`,
    ])
  })

  describeIf(module_('targetcli.ui_backstore', 'targetcli-fb'), 'targetcli', () => {
    test('lists user:SUBTYPE, shows the description, and gets its answers', async () => {
      expect((await bus.ask(python, ['-c', listing])).trimEnd().split('\n')).toEqual([
        `user:file '/path/to/file'`, `(False, 'wanted an absolute path')`, `(-19, 'this host has no device "disk0"')`,
        `user:qcow 'an image'`, `(False, 'wanted an absolute path')`, `(-19, 'this host has no device "disk0"')`,
      ])
    })
  })
})
