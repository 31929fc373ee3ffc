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
