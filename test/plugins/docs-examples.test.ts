import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BlockIo, Status } from '@tcmu/host/handler'
import { Segments } from '@tcmu/host/scsi'
import * as ts from 'typescript'
import pattern from '../docs-examples/pattern'
import { enable } from '../lib/enable'
import { Sandbox } from './cli'
import { handlerRoot, put, repository, scratch } from './packages'

/** The packages that the documentation shows, installed as it says and used. */
const temp = scratch()
const box = new Sandbox(temp.path)
const root = handlerRoot(temp.path)
const examples = join(repository, 'test/docs-examples')
const names = readdirSync(examples, { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name).sort()
for (const name of names) {
  const path = join(root, 'node_modules', name)
  put(join(path, 'package.json'), '')
  cpSync(join(examples, name), path, { recursive: true })
  for (const file of readdirSync(path).filter((f) => f.endsWith('.ts'))) {
    const { outputText } = ts.transpileModule(readFileSync(join(path, file), 'utf8'), { compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 } })
    writeFileSync(join(path, file.replace(/ts$/, 'js')), outputText)
    rmSync(join(path, file))
  }
}
beforeAll(() => enable(root))
afterAll(async () => {
  await box.close()
  temp.remove()
})

const subtypes = names.flatMap((n) => (JSON.parse(readFileSync(join(examples, n, 'package.json'), 'utf8')) as { tcmuHandler?: { subtype: string } }).tcmuHandler?.subtype ?? [])

/** A text does for all but one. */
const chunks = join(temp.path, 'chunks')
mkdirSync(chunks)
const cfgstringOf = (subtype: string): string => `${subtype}/${subtype === 'chunks' ? chunks : 'text'}`

test('each is found, and none is refused', async () => {
  const { stdout } = await box.run('handlers', '--json', '--handler-root', root)
  const { handlers, refused } = JSON.parse(stdout) as { handlers: { subtype: string; origin: string }[]; refused: { path: string }[] }
  expect(handlers.filter((h) => h.origin === 'root').map((h) => h.subtype)).toEqual([...subtypes].sort())
  expect(refused.filter((r) => r.path.startsWith(root))).toEqual([])
})

test.each(subtypes)('%s loads and takes its configuration', async (subtype) => {
  expect(await box.run('check', cfgstringOf(subtype), '--handler-root', root)).toMatchObject({ code: 0, stderr: '' })
})

test('all are served together', async () => {
  const luns = subtypes.flatMap((s) => ['--lun', `name=${s},size=64K,cfgstring=${cfgstringOf(s)}`])
  const host = box.start(['serve', '--handler-root', root, '--portal', '127.0.0.1:0', ...luns])
  const [line] = await host.until(/^ready .*\n/)
  expect(line.split(' ')).toHaveLength(subtypes.length + 1)
  expect((await host.end()).code).toBe(0)
})

test('hold is listed, keeps the promises of handlers, and holds writes while its file is there', async () => {
  expect((await box.run('filters', '--config', box.config, '--handler-root', root)).stdout).toMatch(/^hold +tcmu-filter-hold@1\.0\.0 .*\n {4}file \(required\) +The file to look for\.$/m)
  const { code, stdout } = await box.run('test', join(root, 'node_modules/hold'), '--filter', `hold:file=${temp.path}/none`, '--config', box.config, '--handler-root', root)
  expect([code, stdout]).toEqual([0, expect.stringMatching(/ kept, 0 broken/)])
  expect((await box.run('test', join(root, 'node_modules/hold'), '--config', box.config)).stderr).toMatch(/E_FILTER_OPTIONS: device test: filter hold: --filter\.0\.file: wanted a value, found nothing/)
})

test('pattern says what is missing', async () => {
  const { code, stdout } = await box.run('check', 'pattern/', '--handler-root', root)
  expect([code, stdout]).toEqual([1, 'pattern refuses it: the text to repeat is missing; write pattern/ and then the text\n'])
})

test('pattern repeats its text from any place', async () => {
  const declared: object[] = []
  const log = { error() {}, warn() {}, info() {}, debug() {} }
  const dev = { config: 'abc', options: { upperCase: true }, log, declare: (p: object) => void declared.push(p) } as unknown as Parameters<typeof pattern.open>[0]
  const state = await pattern.open(dev)
  const read = async (offset: number, length: number): Promise<string> => {
    const data = Segments.allocate(length)
    await pattern.read(state, { data, offset, length, fua: false, signal: new AbortController().signal } satisfies BlockIo)
    return data.toBuffer().toString()
  }
  expect(await read(0, 7)).toBe('ABCABCA')
  expect(await read(512, 4)).toBe('CABC')
  expect(declared).toEqual([{ readOnly: true, product: 'pattern' }])
  expect(pattern.write(state, {} as BlockIo)).toBe(Status.WRITE_PROTECTED)
})

test('they have no copy of the SDK that could be used: the host offers its own', () => {
  const script = `require.resolve('@tcmu/host/handler', { paths: [${JSON.stringify(join(root, 'node_modules/ram'))}] })`
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' })
  expect([status, stderr]).toEqual([1, expect.stringMatching(/ERR_PACKAGE_PATH_NOT_EXPORTED/)])
})
