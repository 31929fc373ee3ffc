import { privateBus } from '../lib/bus'
import { describeIf, requires } from '../lib/requires'
import { until } from '../lib/run'
import { bench, type HostProcess } from '../lib/serve'

const ROOT = '/org/kernel/TCMUService1'

describeIf(requires.all(requires.command('dbus-daemon', 'dbus-daemon'), requires.command('gdbus', 'libglib2.0-bin')), 'tcmu-host serve on a bus', () => {
  const bus = privateBus()
  const it = bench()

  test('its handlers are there, and answer with the sentences of `tcmu-host check`', async () => {
    const host = await it.start({ args: ['--dbus', bus.address] })
    const listed = await bus.gdbus(ROOT, 'org.freedesktop.DBus.ObjectManager.GetManagedObjects')
    for (const [subtype, help] of [['file', '/path/to/file, or direct:/path/to/file'], ['fbo', '/path/to/image.iso (empty for a drive without a disc)']]) {
      expect(listed).toContain(`'${ROOT}/${subtype}': {'org.kernel.TCMUService1': {'ConfigDesc': <'${help}'>}}`)
    }
    const check = (text: string): Promise<string> => bus.gdbus(`${ROOT}/file`, 'org.kernel.TCMUService1.CheckConfig', [text])
    expect(await check(`file/${it.path('x.img')}`)).toBe(`(true, 'success')\n`)
    expect(await check('file/x.img')).toBe(`(false, 'the path must be absolute; write file//x.img if that is meant')\n`)
    expect(await bus.gdbus(`${ROOT}/file`, 'org.kernel.TCMUService1.ChangeMedium', ['disk', '0', `file/${it.path('y.img')}`])).toMatch(/^\(-95, 'devices of the handler file have no medium/)
    await bus.stop()
    await bus.start()
    const lists = async (): Promise<boolean> => (await bus.gdbus(ROOT, 'org.freedesktop.DBus.ObjectManager.GetManagedObjects').catch(() => '')).includes('/file')
    await until(lists, 'the host is back on the bus')
    expect(await host.end()).toBe(0)
    expect(await bus.gdbus(ROOT, 'org.freedesktop.DBus.Peer.Ping', [], 1)).toMatch(/ServiceUnknown/)
  })

  test('--dbus alone means the system bus of the environment; the iSCSI front end is off it unless asked, and --no-dbus wins', async () => {
    const env = bus.environment
    const start = (name: string, args: string[]): Promise<HostProcess> => it.start({ luns: [it.fileLun(name)], args, env })
    const [asked, left, off] = [await start('a', ['--dbus']), await start('b', []), await start('c', ['--dbus', '--no-dbus'])]
    expect(asked.output).toContain(`D-Bus: org.kernel.TCMUService1 is ours on ${bus.address}`)
    expect(left.output + off.output).not.toContain('D-Bus')
    await Promise.all([asked, left, off].map((h) => h.end()))
  })

  test('without a bus the host serves all the same, and says so', async () => {
    const host = await it.start({ args: ['--dbus', `unix:path=${it.path('nowhere')}`] })
    expect(host.output).toMatch(/"level":"warn".*D-Bus: .*nowhere.*ENOENT.*targetcli does not see this host/)
    expect(await host.end()).toBe(0)
    await expect(it.start({ args: ['--dbus', 'nonsense'] })).rejects.toMatchObject({ code: 2, message: expect.stringMatching(/E_DBUS_ADDRESS: "nonsense" is not the address of a message bus/) })
  })
})
