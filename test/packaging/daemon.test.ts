import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { testIf, requires } from '../lib/requires'
import { run, until } from '../lib/run'
import { bench, cli, type HostProcess } from '../lib/serve'

/** Flags, files and signals that unit files and habits around the C daemon rely on. */
const it = bench()
const LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ \[[A-Z_]+\] \S+:\d+( \S+)?: /
const logOf = (folder: string): string => (existsSync(join(folder, 'tcmu-runner.log')) ? readFileSync(join(folder, 'tcmu-runner.log'), 'utf8') : '')
const serve = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<HostProcess> => it.start({ args, env })
let count = 0
const place = (): string => it.path(`logs${count++}`)

test('-l makes the folder and the log, lines as of the C daemon; -d says everything', async () => {
  const folder = join(place(), 'deep')
  const host = await serve(['-l', folder, '-d'])
  expect(await host.end()).toBe(0)
  const lines = logOf(folder).trimEnd().split('\n')
  expect(lines.length).toBeGreaterThan(3)
  for (const line of lines) expect(line).toMatch(LINE)
  expect(lines.join('\n')).toMatch(/\[INFO\] host:0: SIGTERM: stopping/)
  expect(lines.join('\n')).toMatch(new RegExp(` ${host.pid} \\[INFO\\]`))
})

test('what is refused as the log opens is told in one line', () => {
  const { status, stderr } = spawnSync(process.execPath, [cli, 'serve', '--frontend', 'tcmu', '--no-netlink', '--no-dbus', '--poll-us', '2000', '-l', place()], { encoding: 'utf8', timeout: 30_000 })
  expect(stderr).toBe('tcmu-host: E_CONFIG: command line: --poll-us: wanted a whole number from 0 to 1000, found "2000"\n')
  expect(status).toBe(2)
})

test('the flag goes before TCMU_LOGDIR, that before the configuration, and so after a reload', async () => {
  const [flag, env, conf, other] = [place(), place(), place(), place()]
  const file = it.path('order.conf')
  writeFileSync(file, `log_dir = ${conf}\n`)
  for (const [args, environment, wanted] of [[['-l', flag], { TCMU_LOGDIR: env }, flag], [[], { TCMU_LOGDIR: env }, env], [[], {}, conf]] as const) {
    const host = await serve(['--config', file, ...args], environment)
    expect(logOf(wanted)).toContain('LUN 0')
    writeFileSync(file, `log_dir = ${other}\nlog_level = 4\n`)
    await until(() => host.output.includes('configuration read again'), 'the reload')
    expect(logOf(other) !== '').toBe(wanted === conf)
    writeFileSync(file, `log_dir = ${conf}\n`)
    await host.end()
  }
})

test('a configuration is followed, replaced files included; a bad one is told of with line and key and changes nothing', async () => {
  const folder = it.path('etc')
  mkdirSync(folder)
  const file = join(folder, 'tcmu.conf')
  writeFileSync(file, 'log_level = 3\n')
  const host = await serve(['--config', file])
  const replace = (text: string): void => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  replace('log_level = 1\n')
  // At level 1 nothing says that it was read: only that errors are still told.
  await new Promise((r) => setTimeout(r, 400))
  replace('log_level = 5\nlog_dir = here\n')
  await until(() => host.output.includes(':2: log_dir'), 'the fault')
  expect(host.output).toMatch(/"level":"error".*E_CONFIG: .*tcmu\.conf:2: log_dir: wanted an absolute path, found \\"here\\"; the configuration stays as it was/)
  replace('# log_level = 5\n')
  await until(() => host.output.includes('changed: logLevel'), 'the default')
  expect(await host.end()).toBe(0)
})

test('SIGHUP opens the log again', async () => {
  const folder = place()
  const host = await serve(['--tcmu-log-dir', folder])
  renameSync(join(folder, 'tcmu-runner.log'), join(folder, 'tcmu-runner.log.1'))
  host.child.kill('SIGHUP')
  await until(() => existsSync(join(folder, 'tcmu-runner.log')), 'a new log')
  expect(await host.end()).toBe(0)
  expect(logOf(folder)).toContain('SIGTERM: stopping')
  expect(readFileSync(join(folder, 'tcmu-runner.log.1'), 'utf8')).not.toContain('stopping')
})

test('a folder of logs that cannot be had is named', async () => {
  writeFileSync(it.path('plain'), '')
  await expect(serve(['-l', it.path('plain', 'x')])).rejects.toMatchObject({ code: 1, message: expect.stringMatching(/E_LOG_DIR: the folder of logs .*plain\/x: .*Name another one with --tcmu-log-dir/) })
})

describe('--nofile', () => {
  test.each(['65535', '1048577', '0', '-1', 'many', '70000x', ''])('%j is out of range', async (n) => {
    expect(await run(process.execPath, [cli, 'serve', `--nofile=${n}`])).toMatchObject({ code: 1, stderr: expect.stringMatching(/E_NOFILE: --nofile .*it is no number from 65536 to 1048576/) })
  })
  /** Raising the hard limit takes CAP_SYS_RESOURCE, which containers lack. */
  const mayRaise = (): boolean => spawnSync('prlimit', ['--nofile=1048576:1048576', 'true']).status === 0
  const limits = async (n: number, flag: string): Promise<[string, string]> => {
    const script = `require(${JSON.stringify(join(dirname(cli), 'cli/daemon.js'))}).raiseFiles('${flag}'); process.stdout.write(require('fs').readFileSync('/proc/self/limits', 'latin1'))`
    const { stdout, stderr } = await run('prlimit', [`--nofile=${n}:${n}`, process.execPath, '-e', script])
    return [/^Max open files\s+(\d+\s+\d+)/m.exec(stdout)?.[1]?.replace(/\s+/, ' ') ?? '', stderr]
  }
  testIf(requires.command('prlimit', 'util-linux'), 'raises the limit of the host and lowers none, or says that the system does not let it', async () => {
    if (mayRaise()) {
      expect(await limits(4096, '65536')).toEqual(['65536 65536', ''])
      expect(await limits(100000, '65536')).toEqual(['100000 100000', ''])
    } else expect((await limits(4096, '65536'))[1]).toMatch(/E_NOFILE: --nofile "65536": prlimit: failed to set .*permitted/)
  })
})

test('--handler-path adds a folder of handlers; what is no handler in it is no fault', async () => {
  const folder = it.path('lib')
  mkdirSync(join(folder, 'mine'), { recursive: true })
  writeFileSync(join(folder, 'handler_file.so'), '')
  writeFileSync(join(folder, 'mine/package.json'), JSON.stringify({ name: 'mine', version: '1.0.0', keywords: ['tcmu-handler'], exports: './i.js', tcmuHandler: { apiVersion: '1', subtype: 'mine', shape: 'blocks', configHelp: 'x' } }))
  writeFileSync(join(folder, 'mine/i.js'), '')
  const listed = await run(process.execPath, [cli, 'handlers', '--handler-path', folder, '--config', it.path('host.json')], { env: it.environment })
  expect(listed.stdout).toMatch(/^mine +blocks|refused: E_HANDLER_UNSAFE_PATH.*mine/m)
  expect(listed.stdout).not.toContain('.so')
})

test('serve -V is the version', async () => {
  expect(await run(process.execPath, [cli, 'serve', '-V'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
})
