import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../lib/run'
import { Sandbox } from './cli'
import { repository, scratch } from './packages'

/** A handler of others, installed with npm as docs/operations.md says, without a registry. */
const temp = scratch()
const box = new Sandbox(temp.path)
afterAll(async () => {
  await box.close()
  temp.remove()
})

const flags = ['--ignore-scripts', '--legacy-peer-deps']
const npm = (...args: string[]): ReturnType<typeof run> => run('npm', [...args, '--offline', '--no-audit', '--no-fund', '--cache', join(temp.path, 'cache')])

test('the documents give these flags', () => {
  for (const file of ['docs/operations.md', 'docs/writing-a-handler.md', 'packages/host/src/cli/help.ts']) {
    expect(readFileSync(join(repository, file), 'utf8')).toMatch(new RegExp(`npm install --prefix \\S+ ${flags.join(' ')} `))
  }
})

test.each(['a tarball', 'a folder'])('%s is installed, found disabled, enabled by the command that is named, and served', async (what) => {
  const source = join(temp.path, what.replace(' ', '-'), 'tcmu-handler-ram')
  const root = join(temp.path, what.replace(' ', '-'), 'root')
  cpSync(join(repository, 'test/docs-examples/ram'), source, { recursive: true })
  const packed = what === 'a tarball' ? await npm('pack', source, '--pack-destination', temp.path) : undefined
  const installed = await npm('install', '--prefix', root, ...flags, packed ? join(temp.path, 'tcmu-handler-ram-1.0.0.tgz') : source)
  expect(installed).toMatchObject({ code: 0 })
  const found = (await box.run('handlers', '--handler-root', root)).stdout
  expect(found).toMatch(/^found, disabled: ram \(blocks\) of tcmu-handler-ram@1\.0\.0; to enable it: /m)
  const [, command] = /to enable it: tcmu-host (.*)$/m.exec(found)!
  expect(await box.run(...command!.split(' '))).toMatchObject({ code: 0, stderr: '' })
  const { stdout } = await box.run('handlers', '--handler-root', root)
  expect(stdout).not.toContain('disabled')
  expect(stdout).toMatch(/^ram +blocks +tcmu-handler-ram@1\.0\.0 +anything: /m)
  expect(stdout).not.toContain('refused')
  const host = box.start(['serve', '--handler-root', root, '--portal', '127.0.0.1:0', '--lun', 'name=mem,size=16M,cfgstring=ram/scratch'])
  await host.until(/^ready iscsi:/)
  expect((await host.end()).code).toBe(0)
})
