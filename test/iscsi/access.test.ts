import { chmodSync, writeFileSync } from 'node:fs'
import { Initiator, LoginRefused } from '../lib/initiator'
import { describeIf, requires } from '../lib/requires'
import { run, runOk } from '../lib/run'
import { bench, type HostProcess } from '../lib/serve'

const here = bench()
const SECRET = 'correct-horse-battery'
const secretFile = here.path('secret')
writeFileSync(secretFile, `${SECRET}\n`)
chmodSync(secretFile, 0o600)

const withLogin = (url: string, login: string): string => url.replace('iscsi://', `iscsi://${login}@`)

describe('where the portal listens', () => {
  test('another address than loopback is refused without CHAP', async () => {
    await expect(here.start({ portal: '0.0.0.0:0' })).rejects.toThrow(/E_PORTAL_OPEN: /)
  })
  test('a port that is taken is a clear error', async () => {
    const host = await here.start({ luns: [here.fileLun('first')] })
    await expect(here.start({ luns: [here.fileLun('other')], portal: host.address })).rejects.toThrow(/E_PORTAL_LISTEN: .*something else listens there/)
    expect(await host.end()).toBe(0)
  })
  test('a file that another host serves is a clear error', async () => {
    const host = await here.start({ luns: [here.fileLun('shared')] })
    await expect(here.start({ luns: [here.fileLun('shared')] })).rejects.toThrow(/E_FILE_LOCKED: .*shared\.img is in use/)
    expect(await host.end()).toBe(0)
  })
  test('port 0 and SIGINT', async () => {
    const host = await here.start({ luns: [here.fileLun('third')] })
    expect(host.port).toBeGreaterThan(0)
    expect(await host.end('SIGINT')).toBe(0)
  })
})

describe('discovery', () => {
  let host: HostProcess
  beforeAll(async () => {
    host = await here.start({ luns: [here.fileLun('found')], args: ['--target-name', 'iqn.2026-11.test:named'] })
  })

  test('SendTargets=All names the target and its portal', async () => {
    const session = await Initiator.open(host.port, { name: 'iqn.2026-11.test:finder' })
    expect(await session.text({ SendTargets: 'All' })).toEqual([['TargetName', 'iqn.2026-11.test:named'], ['TargetAddress', `${host.address},1`]])
    await session.logout()
  })
  test('two digests and odd offers are negotiated, not obeyed', async () => {
    const session = await Initiator.open(host.port, {
      target: 'iqn.2026-11.test:named', keys: { MaxConnections: '8', ErrorRecoveryLevel: '2', MaxBurstLength: '16777215', 'X-unknown.key': 'x' },
    })
    expect(session.login.keys.get('MaxConnections')).toBe('1')
    expect(session.login.keys.get('ErrorRecoveryLevel')).toBe('0')
    expect(Number(session.login.keys.get('MaxBurstLength'))).toBeLessThanOrEqual(16777215)
    expect(session.login.keys.get('X-unknown.key')).toBe('NotUnderstood')
    expect(await session.nop(Buffer.from('hello'))).toEqual(Buffer.from('hello'))
    await session.logout()
  })
})

describe('CHAP', () => {
  let host: HostProcess
  beforeAll(async () => {
    host = await here.start({ luns: [here.fileLun('secret')], args: ['--chap-user', 'joe', '--chap-secret-file', secretFile] })
  })

  test('a login without it is refused', async () => {
    const refused = await Initiator.open(host.port, { target: host.targetName }).catch((e: unknown) => e)
    expect(refused).toBeInstanceOf(LoginRefused)
    expect((refused as LoginRefused).statusClass).toBe(2)
  })

  describeIf(requires.libiscsi(), 'of libiscsi', () => {
    test('the right secret is let in', async () => {
      const { stdout } = await runOk('iscsi-inq', [withLogin(host.url, `joe%${SECRET}`)])
      expect(stdout).toContain('DIRECT_ACCESS')
      expect((await runOk('iscsi-ls', ['-s', withLogin(host.portal, `joe%${SECRET}`)])).stdout).toContain(host.targetName)
    })
    test.each([['a wrong secret', 'joe%wrong-wrong-wrong'], ['a wrong user', `jim%${SECRET}`]])('%s is not', async (_, login) => {
      const { code, text } = await run('iscsi-inq', [withLogin(host.url, login)])
      expect(code).not.toBe(0)
      expect(text).toMatch(/authentication failure|Authorization failure|0x0201|\(513\)/i)
    })
    test('none is not', async () => {
      expect((await run('iscsi-inq', [host.url])).code).not.toBe(0)
    })
  })

  test('the secret is not in the log', () => {
    expect(host.output).not.toContain(SECRET)
  })
})

describeIf(requires.libiscsi(), 'mutual CHAP', () => {
  const MUTUAL = 'staple-correct-horse-x'
  let host: HostProcess
  beforeAll(async () => {
    writeFileSync(here.path('mutual'), MUTUAL, { mode: 0o600 })
    host = await here.start({
      luns: [here.fileLun('mutual-lun')],
      args: ['--chap-user', 'joe', '--chap-secret-file', secretFile, '--chap-mutual-user', 'portal', '--chap-mutual-secret-file', here.path('mutual')],
    })
  })
  const url = (secret: string): string => `${withLogin(host.url, `joe%${SECRET}`)}?target_user=portal&target_password=${secret}`

  test('the target proves who it is', async () => {
    expect((await runOk('iscsi-inq', [url(MUTUAL)])).stdout).toContain('DIRECT_ACCESS')
  })
  test('an initiator that expects another secret goes away', async () => {
    expect((await run('iscsi-inq', [url('another-secret-of-it')])).code).not.toBe(0)
  })
})

describe('the list of initiators', () => {
  test('lets in who is on it and nobody else', async () => {
    const config = here.path('acl.json')
    writeFileSync(config, JSON.stringify({ acl: ['iqn.2026-11.test:friend'] }), { mode: 0o600 })
    const host = await here.start({ luns: [here.fileLun('acl-lun')], args: ['--config', config] })
    const friend = await Initiator.open(host.port, { name: 'iqn.2026-11.test:friend', target: host.targetName })
    expect(await friend.nop(Buffer.from('hi'))).toEqual(Buffer.from('hi'))
    await friend.logout()
    const stranger = await Initiator.open(host.port, { name: 'iqn.2026-11.test:stranger', target: host.targetName }).catch((e: unknown) => e)
    expect(stranger).toBeInstanceOf(LoginRefused)
    expect((stranger as LoginRefused).statusClass).toBe(2)
  })
})
