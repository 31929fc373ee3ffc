import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inRepository } from '../lib/repository'
import { describeIf, requires } from '../lib/requires'
import { Child } from '../plugins/cli'
import { run } from '../lib/run'

/**
 * Somebody who has npm and our packages, and nothing of this repository: create, build, test, measure, serve, change, write through
 * QEMU, look at what would be published, install, list.
 */
const folder = mkdtempSync(join(tmpdir(), 'tcmu-stranger-'))
const children: Child[] = []
/** Every package of this repository: which of them another needs is npm's business. */
const ours = ['native', ...readdirSync(inRepository('packages')).map((name) => `packages/${name}`)].filter((path) => existsSync(inRepository(path, 'package.json')))

/** The user's own npm configuration stays: it says where packages come from. `npm test` hands down its log level. */
const env = { ...process.env, npm_config_loglevel: 'error', npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false' }
async function works(cwd: string, command: string, ...args: string[]): ReturnType<typeof run> {
  const ran = await run(command, args, { cwd, env })
  if (ran.code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${ran.code}:\n${ran.stdout}\n${ran.stderr}`)
  return ran
}
const tarballs = (): string[] => readdirSync(folder).filter((f) => /^tcmu-.*\.tgz$/.test(f)).map((f) => join(folder, f))

beforeAll(async () => {
  for (const path of ours) await works(inRepository(path), 'npm', 'pack', '--silent', '--pack-destination', folder)
})
afterAll(async () => {
  for (const { process: child } of children) if (child.exitCode === null) child.kill('SIGKILL')
  await Promise.all(children.map((c) => c.ended))
  rmSync(folder, { recursive: true })
})

function start(at: string, ...args: readonly string[]): Child {
  const child = new Child(spawn(join(at, 'node_modules/.bin/tcmu-host'), args, { cwd: at, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], HOME: at, XDG_RUNTIME_DIR: at } }))
  children.push(child)
  return child
}
function serve(at: string, subtype: string, shape: string): Child {
  const filter = subtype.replaceAll('_', '-')
  const [lun, ...more] = shape === 'filter' ? [`filters=${filter}:key=90,cfgstring=file/${join(at, 'disk.img')}`, '--inline-filter', filter] : [`cfgstring=${subtype}/`]
  return start(at, 'serve', '--frontend', 'iscsi', '--handler-path', '.', '--portal', '127.0.0.1:0', '--lun', `name=d0,size=16M,${lun}`, ...more)
}

const variants = [
  ['typescript', 'blocks'], ['typescript', 'commands'], ['javascript', 'blocks'], ['javascript', 'commands'], ['typescript', 'filter'],
] as const

describeIf(requires.qemu(), 'a package of a stranger', () => {
  describe.each(variants)('%s, %s', (language, shape) => {
    const subtype = `${language}_${shape}`
    const at = join(folder, subtype)

    test('is made', async () => {
      const { stdout } = await works(folder, 'npm', 'exec', '--offline', '--yes', '--package', join(folder, 'create-tcmu-handler-0.1.0.tgz'), '--',
        'create-tcmu-handler', subtype, '--language', language, ...(shape === 'filter' ? ['--kind', 'filter'] : ['--shape', shape]), '--yes')
      expect(stdout).toContain('npm test')
      await works(at, 'npm', 'install', '--prefer-offline', '--ignore-scripts', '-D', ...tarballs())
    })

    test('builds, and passes its tests and the conformance kit', async () => {
      await works(at, 'npm', 'run', 'build')
      expect((await works(at, 'npm', 'test')).stdout).toMatch(/# fail 0/)
      expect((await works(at, 'npm', 'run', 'conformance')).stdout).toMatch(/ kept, 0 broken/)
    })

    test('is served, read and written', async () => {
      const host = serve(at, subtype, shape)
      const [, url] = await host.until(/^ready (iscsi:\S+)/)
      if (shape !== 'commands') {
        await works(at, 'qemu-io', '-f', 'raw', '-c', 'write -P 0x5a 1M 64k', '-c', 'read -P 0x5a 1M 64k', '-c', `read -P ${shape === 'filter' ? 0x5a : 0} 0 64k`, url!)
      } else expect((await works(at, 'iscsi-inq', url!)).stdout).toContain('Peripheral Device Type:PROCESSOR')
      expect((await host.end()).code).toBe(0)
      if (shape === 'filter') expect(readFileSync(join(at, 'disk.img')).subarray(2 ** 20, 2 ** 20 + 65536).every((byte) => byte === 0)).toBe(true)
    })

    // `dev` is for handlers: a filter runs in the host itself, which keeps the code that it has.
    if (shape !== 'filter') test('is served from its folder, and what is saved takes over', async () => {
      const host = start(at, 'dev', '.')
      const [, url] = await host.until(/^ready (iscsi:\S+)/)
      const source = join(at, language === 'typescript' ? 'src/index.ts' : 'src/index.js')
      writeFileSync(source, readFileSync(source, 'utf8').replace("summary: '", "summary: 'anew: "))
      await works(at, 'npm', 'run', 'build')
      await host.until(/index\.js changed: dev runs the new code/, 'stderr')
      await works(at, 'iscsi-inq', url!)
      await host.until(/dev INQUIRY.*: GOOD/, 'stderr')
      expect((await host.end()).code).toBe(0)
    })

    test('would be published without its tests', async () => {
      const [packed] = JSON.parse((await works(at, 'npm', 'pack', '--dry-run', '--json')).stdout.replace(/^[^[]*/, '')) as { files: { path: string }[] }[]
      const paths = packed!.files.map((f) => f.path)
      expect(paths).toContain(language === 'typescript' ? 'dist/index.js' : 'src/index.js')
      expect(paths.filter((p) => p.includes('test'))).toEqual([])
    })

    test('measures itself', async () => {
      expect((await works(at, 'npm', 'run', 'bench')).stdout).toMatch(/\d commands (of 4 KiB )?a second/)
    })

    test('is installed into a handler root, enabled by the command that is named, and listed', async () => {
      const root = join(folder, `root-${subtype}`)
      await works(at, 'npm', 'pack', '--silent')
      const { name, version } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as { name: string; version: string }
      await works(at, 'npm', 'install', '--offline', '--prefix', root, '--ignore-scripts', '--legacy-peer-deps', join(at, `${name}-${version}.tgz`))
      const host = async (...args: string[]): Promise<string> => (await works(at, join(at, 'node_modules/.bin/tcmu-host'), ...args)).stdout
      if (shape === 'filter') {
        expect(await host('filters', '--handler-root', root)).toMatch(new RegExp(`^${subtype.replaceAll('_', '-')} +${name}@${version.replaceAll('.', '\\.')}`, 'm'))
        return
      }
      const [, command] = new RegExp(`^found, disabled: ${subtype} .* to enable it: tcmu-host (.*)$`, 'm').exec(await host('handlers', '--handler-root', root))!
      expect(await host(...command!.split(' '))).toContain('It is enabled.')
      const stdout = await host('handlers', '--handler-root', root)
      expect(stdout).toMatch(new RegExp(`^${subtype} +${shape} +${name}@${version.replaceAll('.', '\\.')}`, 'm'))
    })
  })
})
