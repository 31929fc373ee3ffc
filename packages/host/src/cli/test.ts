import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseSize } from '../control'
import { type FilterText, parseFilters } from '../filter'
import { tcmuError } from '../errors'
import type { HandlerIo } from '../handler'
import { createHost, type Host } from '../host'
import type { HostOptions } from '../host-options'
import { createIoEngine } from '../io'
import { DeviceFilters } from '../plugins'
import { checkConformance, type Conformance, type ConformanceResult, filterSubjects } from '../testing/conformance'
import { COMMAND_LINE } from './command-line'
import { handlerOptions, type HandlerFlags, type Surroundings } from './options'

export interface TestFlags extends HandlerFlags {
  readonly cfg: string
  readonly refuses: readonly string[]
  readonly size: string
  readonly blockSize: string
  readonly volatile?: boolean
  readonly json?: boolean
  readonly subtype?: string
  /** NAME[:KEY=VALUE]... */
  readonly filter?: string
}
type Print = (line: string) => void

/** In a cfgstring: a folder that is empty and is removed afterwards. */
const FOLDER = '{tmp}'

/** The one handler of a package, or the one that was named. */
function chosen(host: Host, folder: string, subtype: string | undefined): string {
  const { handlers, refused } = host.handlers()
  const mine = handlers.filter((h) => realpathSync(h.path) === folder)
  const named = mine.find((h) => subtype === undefined || h.subtype === subtype)
  if (named) return named.subtype
  const reason = refused.find((r) => r.path?.startsWith(folder))?.message ?? (mine.length ? `it has ${mine.map((h) => h.subtype).join(', ')}, not ${subtype}` : 'no package.json with the keyword `tcmu-handler` is there')
  throw tcmuError('E_CONFIG', { file: COMMAND_LINE, key: 'folder', wanted: 'a handler package', found: `${folder}: ${reason}` })
}

const marks: Readonly<Record<ConformanceResult['outcome'], string>> = { kept: '✓', broken: '✗', 'does not apply': '-' }

function line(r: ConformanceResult): string {
  const why = r.reason === undefined ? '' : r.outcome === 'broken' ? `\n    ${r.reason}` : ` (${r.reason})`
  return `${marks[r.outcome]} ${r.promise}${r.outcome === 'kept' ? ` (${r.ms} ms)` : why}`
}

/** A filter of the package, behind which the kit's own disks are; undefined when the package has none. */
async function filterOf(folder: string, flags: TestFlags, options: HostOptions): Promise<readonly Conformance[] | undefined> {
  const names = new DeviceFilters(options).registry.inventory().filters.filter((f) => realpathSync(f.path) === folder).map((f) => f.name)
  const [text]: FilterText[] = flags.filter === undefined ? names.slice(0, 1).map((name) => ({ name, options: {} })) : parseFilters(flags.filter)
  if (text === undefined || !names.length) return undefined
  if (!names.includes(text.name)) throw tcmuError('E_CONFIG', { file: COMMAND_LINE, key: '--filter', wanted: `a filter of the package: ${names.join(', ')}`, found: text.name })
  const [use] = await new DeviceFilters({ ...options, inlineFilters: names }).registry.use([text], { device: 'test', key: '--filter' })
  return filterSubjects(use!)
}

/** The handler of the package as its author says that it is to be tested. */
async function handlerOf(folder: string, flags: TestFlags, options: HostOptions, scratch: string, io: HandlerIo): Promise<Conformance> {
  const host = createHost(options)
  const handler = await host.registry.load(chosen(host, folder, flags.subtype))
  const fresh = (text: string) => (): string => text.replaceAll(FOLDER, () => mkdtempSync(join(scratch, 'medium-')))
  return {
    handler, config: fresh(flags.cfg), io, volatile: flags.volatile, badConfigs: flags.refuses,
    geometry: { sizeBytes: parseSize(flags.size), blockSize: parseSize(flags.blockSize) },
  }
}

/** Check a package of a handler or filter against what the host relies on. Resolves to the exit code: 1 when a promise is broken. */
export async function testHandler(path: string, flags: TestFlags, at: Surroundings, print: Print): Promise<number> {
  const folder = existsSync(path) ? realpathSync(path) : resolve(path)
  const options = handlerOptions({ ...flags, handlerPath: [folder, ...(flags.handlerPath ?? [])] }, at)
  const scratch = mkdtempSync(join(tmpdir(), 'tcmu-host-test-'))
  const engine = createIoEngine()
  const results: ConformanceResult[] = []
  try {
    const subjects = (await filterOf(folder, flags, options)) ?? [await handlerOf(folder, flags, options, scratch, engine)]
    for (const subject of subjects) {
      for await (const result of checkConformance(subject)) {
        results.push(result)
        if (!flags.json) print(line(result))
      }
    }
  } finally {
    await engine.close()
    rmSync(scratch, { recursive: true, force: true })
  }
  const count = (outcome: ConformanceResult['outcome']): number => results.filter((r) => r.outcome === outcome).length
  if (flags.json) print(JSON.stringify(results, undefined, 2))
  else print(`${count('kept')} kept, ${count('broken')} broken, ${count('does not apply')} not applicable`)
  return count('broken') ? 1 : 0
}
