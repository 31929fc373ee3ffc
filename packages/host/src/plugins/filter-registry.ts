import type { ValidateFunction } from 'ajv/dist/2020'
import { quote, reasonOf, tcmuError } from '../errors'
import { type Filter, FILTER_API_VERSION, type FilterManifest, filterManifestSchema, type FilterText, type FilterUse } from '../filter'
import { faultOf, schemaCompiler } from '../input'
import { type Origin, recordOf, refusal, type Refusal, type RefusalRecord } from './candidate'
import type { Discovery } from './discover'
import { importModule, type ImportModule } from './load'
import { loadFilter } from './load-filter'
import { type Accepted, type Environment, Validator } from './validate'

export interface FilterDeps {
  readonly environment: Environment
  readonly load?: ImportModule
  /** Names of filters of others whose code may run in the host's own process. */
  readonly inline?: readonly string[]
}

/** One filter as lists show it. */
export interface FilterRecord {
  readonly name: string
  readonly summary: string
  readonly package: string
  readonly version: string
  readonly path: string
  readonly origin: Origin
  readonly apiVersion: string
  readonly options: FilterManifest['options']
  /** False: the operator has not said that its code may run here. */
  readonly allowed: boolean
  readonly loaded: boolean
  /** Why loading failed, if it was tried. */
  readonly failure: string | undefined
}
export interface FilterInventory {
  readonly filters: readonly FilterRecord[]
  readonly refused: readonly RefusalRecord[]
}

interface Entry {
  readonly accepted: Accepted
  readonly manifest: FilterManifest
  loading?: Promise<Filter>
  loaded?: boolean
  failure?: string
}

/** Whose filters these are: the device, and the key of the configuration that has them. */
export interface FilterSite {
  readonly device: string
  readonly key: string
}

/** Filters by name. Manifests are judged when it is made; code is loaded when a filter is first used, once. */
export class FilterRegistry {
  readonly refusals: Refusal[]
  private readonly entries = new Map<string, Entry>()
  private readonly validators = new Map<string, ValidateFunction>()

  constructor(discovery: Discovery, private readonly deps: FilterDeps) {
    this.refusals = [...discovery.refusals]
    const validator = new Validator({ ...deps.environment, apiVersion: FILTER_API_VERSION }, filterManifestSchema)
    for (const candidate of discovery.candidates) {
      const judged = validator.judge(candidate)
      if (judged instanceof Error) this.refusals.push(judged)
      else this.admit(judged)
    }
  }

  private admit(accepted: Accepted): void {
    const manifest = accepted.manifest as unknown as FilterManifest
    const { candidate } = accepted
    const first = this.entries.get(manifest.name)?.accepted.candidate
    if (!first) this.entries.set(manifest.name, { accepted, manifest })
    else this.refusals.push(refusal('E_HANDLER_DUPLICATE', candidate, `${candidate.fieldName}.name`, 'a name of its own', `${quote(manifest.name)}, which ${first.package} in ${first.path} has`))
  }

  /** Ours run where the host runs; those of others too, so that they have to be let in by name. */
  private allows({ accepted, manifest }: Entry): boolean {
    return accepted.candidate.origin === 'bundled' || this.deps.inline?.includes(manifest.name) === true
  }

  private entry(name: string): Entry {
    const entry = this.entries.get(name)
    if (!entry) throw tcmuError('E_FILTER', { filter: quote(name), reason: `there is none of this name; this host has ${[...this.entries.keys()].sort().join(', ') || 'none at all'}` })
    if (this.allows(entry)) return entry
    const { package: from, path } = entry.accepted.candidate
    throw tcmuError('E_FILTER', { filter: quote(name), reason: `the code of ${from} in ${path} would run in the host's own process, which nobody has allowed: give --inline-filter ${name}, or \`inlineFilters\` in the configuration file` })
  }

  /** A compiled schema changes what it checks: texts become the numbers and truth values that it wants. */
  private validator({ manifest }: Entry): ValidateFunction {
    let found = this.validators.get(manifest.name)
    if (!found) this.validators.set(manifest.name, (found = schemaCompiler(true, { coerceTypes: true }).compile(manifest.options ?? { type: 'object', additionalProperties: false })))
    return found
  }

  /** The options as the filter takes them. Throws E_FILTER or E_FILTER_OPTIONS; loads nothing. */
  optionsOf({ name, options }: FilterText, { device, key }: FilterSite): unknown {
    const validate = this.validator(this.entry(name))
    const own = structuredClone(options)
    if (validate(own)) return own
    throw tcmuError('E_FILTER_OPTIONS', { device, filter: name, ...faultOf(validate, own, key) })
  }

  /** Throws E_FILTER or E_FILTER_OPTIONS for the first of these that cannot be used. */
  check(texts: readonly FilterText[], { device, key }: FilterSite): void {
    for (const [i, text] of texts.entries()) this.optionsOf(text, { device, key: `${key}.${i}` })
  }

  /** The filters, their code loaded now if it was not. Rejects as `check` throws, or with E_HANDLER_IMPORT or E_HANDLER_MISMATCH. */
  async use(texts: readonly FilterText[], site: FilterSite): Promise<FilterUse[]> {
    this.check(texts, site)
    return Promise.all(texts.map(async (text) => ({ filter: await this.load(this.entry(text.name)), options: this.optionsOf(text, site) })))
  }

  private load(entry: Entry): Promise<Filter> {
    return (entry.loading ??= this.start(entry))
  }

  private async start(entry: Entry): Promise<Filter> {
    try {
      const filter = await loadFilter(entry.accepted, this.deps.load ?? importModule)
      entry.loaded = true
      return filter
    } catch (e) {
      entry.failure = reasonOf(e)
      throw e
    }
  }

  /** Everything found, as plain data. */
  inventory(): FilterInventory {
    const filters = [...this.entries.values()].map((entry): FilterRecord => {
      const { accepted: { candidate: c }, manifest: m, loaded = false, failure } = entry
      return {
        name: m.name, summary: m.summary, package: c.package, version: c.version, path: c.path, origin: c.origin, apiVersion: m.apiVersion, options: m.options,
        allowed: this.allows(entry), loaded, failure,
      }
    })
    return { filters: filters.sort((a, b) => (a.name < b.name ? -1 : 1)), refused: this.refusals.map(recordOf) }
  }
}
