import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { quote, type TcmuError, tcmuError } from '../errors'
import { faultOf, validatorOf } from '../input'
import { StateFile, StateFileError } from '../state'
import { type Candidate, refusal, type Refusal } from './candidate'
import { type Closure, closureOf, type ClosurePlaces } from './closure'
import { Unfit } from './digest'

/** In the handler root; docs/operations.md describes it. */
export const TRUST_FILE = 'enabled.json'
const KIND = 'enabled handlers'
const VERSION = 1
const EVERYBODY_READS = 0o644
/** Packages with more files than this have only their digest kept, and no list of what changed. */
const MAX_LISTED = 1000
const MAX_NAMED = 4

/** What was there when a package was enabled. */
export interface TrustRecord {
  readonly version: string
  /** Of the package and of what it depends on. */
  readonly digest: string
  /** ISO 8601. */
  readonly enabled: string
  /** SHA-256 in base64 of each file of the package; left out when they are many. */
  readonly files?: Readonly<Record<string, string>>
  /** Version and digest by place in the handler root. */
  readonly dependencies: Readonly<Record<string, string>>
}
export type TrustRecords = ReadonlyMap<string, TrustRecord>

const texts = { type: 'object', additionalProperties: { type: 'string' } } as const
export const recordsSchema = {
  type: 'object', required: ['packages'], additionalProperties: false,
  properties: {
    packages: {
      type: 'object',
      additionalProperties: {
        type: 'object', required: ['version', 'digest', 'enabled', 'dependencies'], additionalProperties: false,
        properties: { version: { type: 'string' }, digest: { type: 'string' }, enabled: { type: 'string' }, files: texts, dependencies: texts },
      },
    },
  },
} as const

export interface TrustPlaces extends ClosurePlaces {
  /** The root is no default, and has to be named in commands. */
  readonly asked?: boolean
}

/** Text as a shell takes it for one word. */
const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

/** What to type about a package of a root. */
export function commandFor(what: string, name: string, { root, asked }: Pick<TrustPlaces, 'root' | 'asked'>): string {
  return ['tcmu-host', what, word(name), ...(asked ? ['--handler-root', word(root)] : [])].join(' ')
}

/** The file that says which packages of a handler root are enabled, and as what. */
export class TrustFile {
  private readonly state: StateFile

  constructor(private readonly places: TrustPlaces) {
    this.state = new StateFile(join(places.root, TRUST_FILE), KIND, VERSION, EVERYBODY_READS)
  }

  get path(): string {
    return this.state.file
  }

  /** Records by package name. Throws E_HANDLER_TRUST_FILE when it is not to be believed. */
  read(): TrustRecords {
    const stat = lstatSync(this.path, { throwIfNoEntry: false })
    if (!stat) return new Map()
    if (!stat.isFile()) throw this.fault('what it is', 'a file', 'something else')
    this.checkPaths(this.path, this.places.root)
    let data: unknown
    try {
      data = this.state.read()
    } catch (e) {
      if (!(e instanceof StateFileError)) throw e
      throw this.fault('what it holds', 'what this host wrote', e.reason)
    }
    if (data === undefined) return new Map()
    const valid = validatorOf(recordsSchema)
    if (valid(data)) return new Map(Object.entries((data as { packages: Record<string, TrustRecord> }).packages))
    const { key, wanted, found } = faultOf(valid, data)
    throw this.fault(key, wanted, found)
  }

  /** Put a record in, or with undefined take it out. Rejects as `read` throws; one process at a time. */
  async set(name: string, record: TrustRecord | undefined): Promise<void> {
    this.checkPaths(this.places.root)
    const records = new Map(this.read())
    if (record) records.set(name, record)
    else if (!records.delete(name)) return
    await this.state.write({ packages: Object.fromEntries([...records].sort(([a], [b]) => (a < b ? -1 : 1))) })
  }

  private checkPaths(...paths: readonly string[]): void {
    const unsafe = this.places.guard.checkRecord(...paths)
    if (unsafe) throw this.fault(unsafe.path, unsafe.wanted, unsafe.found)
  }

  private fault(field: string, wanted: string, found: string): Refusal {
    return refusal('E_HANDLER_TRUST_FILE', { package: '(any)', path: this.path }, field, wanted, found)
  }
}

export const recordOfClosure = (version: string, { digest, tree, dependencies }: Closure, now: Date): TrustRecord => ({
  version, digest, enabled: now.toISOString(), dependencies: Object.fromEntries(dependencies),
  ...(tree.files.size <= MAX_LISTED && { files: Object.fromEntries(tree.files) }),
})

/** What is new, gone or other in `now`. */
function differences(before: Readonly<Record<string, string>>, now: ReadonlyMap<string, string>): string[] {
  const old = new Map(Object.entries(before))
  return [
    ...[...now].filter(([k, v]) => old.has(k) && old.get(k) !== v).map(([k]) => `${k} changed`),
    ...[...now.keys()].filter((k) => !old.has(k)).map((k) => `${k} is new`),
    ...[...old.keys()].filter((k) => !now.has(k)).map((k) => `${k} is gone`),
  ]
}

/** What changed since a package was enabled, in words. */
export function changesSince(record: TrustRecord, version: string, closure: Closure): string {
  const other = record.version === version ? [] : [`version ${version}`]
  const files = record.files ? differences(record.files, closure.tree.files) : []
  const all = [...other, ...files, ...differences(record.dependencies, closure.dependencies)]
  if (all.length === 0) return 'other files'
  return [...all.slice(0, MAX_NAMED), ...(all.length > MAX_NAMED ? [`${all.length - MAX_NAMED} more`] : [])].join(', ')
}

/** Whether packages of a handler root are those that were enabled. Looks at each package once. */
export class Trust {
  private readonly judged = new Map<string, string | TcmuError>()
  private records: TrustRecords | undefined
  /** Why nothing of the root is enabled. */
  readonly fault: Refusal | undefined

  constructor(readonly places: TrustPlaces) {
    try {
      this.records = new TrustFile(places).read()
    } catch (e) {
      this.fault = e as Refusal
    }
  }

  /** The digest that it was enabled with and still has; or why nothing of it is loaded. Never throws. */
  judge(c: Candidate): string | TcmuError {
    const known = this.judged.get(c.real) ?? this.look(c)
    this.judged.set(c.real, known)
    return known
  }

  private look(c: Candidate): string | TcmuError {
    const { path } = c
    const command = commandFor('handlers enable', c.package, this.places)
    const record = this.records?.get(c.package)
    if (!record) return tcmuError('E_HANDLER_DISABLED', { package: c.package, path, command })
    let closure: Closure
    try {
      closure = closureOf(c.real, this.places)
    } catch (e) {
      return e instanceof Unfit ? refusal(e.code, c, e.field, e.wanted, e.found) : refusal('E_HANDLER_FILES', c, 'files', 'something that can be read', quote(String(e)))
    }
    if (closure.digest === record.digest) return closure.digest
    const wanted = `${record.version} as it was enabled on ${record.enabled.slice(0, 10)}`
    return refusal('E_HANDLER_CHANGED', c, 'files', wanted, changesSince(record, c.version, closure), { command })
  }
}
