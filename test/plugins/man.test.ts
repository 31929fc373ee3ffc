import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { program } from '../../packages/host/src/cli/program'
import { configSchema } from '../../packages/host/src/control/config-schema'
import { DEFAULT_TARGET } from '../../packages/host/src/control/address'
import { repository } from './packages'

const page = readFileSync(join(repository, 'packages/host/man/tcmu-host.8'), 'utf8').replaceAll('\\-', '-')
const root = program({ env: {}, uid: 0 }, () => undefined)

test('the manual page has every command and every option, and no other', () => {
  const commands = root.commands.map((c) => c.name())
  expect(page.match(/^\.SS [a-z-]+$/gm)).toEqual(commands.map((c) => `.SS ${c}`))
  const options = new Set([...root.commands.flatMap((c) => c.options.map((o) => o.long!)), '--help', '--version'])
  expect(new Set(page.match(/--[a-z][a-z-]+/g))).toEqual(options)
})

test('it has every key of the configuration', () => {
  const keys = (schema: object): string[] => {
    const { properties = {}, items } = schema as { properties?: Record<string, object>; items?: object }
    return [...Object.entries(properties).flatMap(([k, v]) => [k, ...keys(v)]), ...(items ? keys(items) : [])]
  }
  expect(keys(configSchema).filter((k) => !new RegExp(`^\\.[BR]+ .*\\b${k}\\b`, 'm').test(page))).toEqual([])
})

test('it has the defaults', () => {
  for (const text of [DEFAULT_TARGET, '127.0.0.1:3260', '/var/lib/tcmu/handlers']) expect(page).toContain(text)
})

test('help and manual agree on the examples of serve', () => {
  let help = ''
  const serve = root.commands.find((c) => c.name() === 'serve')!
  serve.configureOutput({ writeOut: (s) => (help += s) }).outputHelp()
  expect(help).toContain('tcmu-host serve --lun name=disk0,size=1G,cfgstring=file//srv/disk0.img')
})
