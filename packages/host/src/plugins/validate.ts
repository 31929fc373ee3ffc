import type { Ajv2020, ValidateFunction } from 'ajv/dist/2020'
// Straight from the modules: the index loads three times as many.
import coerce from 'semver/functions/coerce'
import satisfies from 'semver/functions/satisfies'
import validRange from 'semver/ranges/valid'
import { quote } from '../errors'
import { type HandlerManifest, manifestSchema } from '../handler/manifest'
import { HANDLER_API_VERSION } from '../handler/version'
import { builtValidator, faultOf, schemaCompiler, validatorOf } from '../input'
import { type Candidate, refusal, type Refusal } from './candidate'
import { entryOf } from './entry'
import { PathGuard } from './guard'
import { type BadSchema, compileOptions } from './options'
import type { Trust } from './trust'

/** What packages may require, as it is here. */
export interface Environment {
  readonly apiVersion: string
  readonly node: string
  /** Kernel release, e.g. `6.1.0-13-amd64`. */
  readonly kernel: string
  readonly guard: PathGuard
  /** What of the handler root is enabled. Left out: nothing is. */
  readonly trust?: Trust
}

/** A package whose manifest holds; its code has still not run. */
export interface Accepted {
  readonly candidate: Candidate
  readonly manifest: HandlerManifest
  /** Absolute path of the module to import. */
  readonly entry: string
  readonly options: ValidateFunction | undefined
  /** Odd, but no reason to refuse. */
  readonly warnings: readonly Refusal[]
  /** What the code is: differs when other code is there. Of packages of the handler root, the digest they were enabled with. */
  readonly identity: string
}

export const environment = (more: Partial<Environment> & Pick<Environment, 'kernel'>): Environment =>
  ({ apiVersion: HANDLER_API_VERSION, node: process.versions.node, guard: new PathGuard(), ...more })

const inRange = (version: string, range: string): boolean => satisfies(version, range, { includePrerelease: true })

/** Judges manifests; one for a whole scan, as compiling the schema takes milliseconds. */
export class Validator {
  private readonly manifest: ValidateFunction
  private own: Ajv2020 | undefined
  private others: Ajv2020 | undefined

  /** `schema`: of manifests that have apiVersion, options and requires as those of handlers have. */
  constructor(private readonly env: Environment, schema: object = manifestSchema) {
    this.manifest = validatorOf(schema)
  }

  /** What comes with the host is looked at by its tests: the meta-schema alone takes a tenth of a second. */
  private compilerFor({ origin }: Candidate): Ajv2020 {
    return origin === 'bundled' ? (this.own ??= schemaCompiler(true)) : (this.others ??= schemaCompiler())
  }

  private optionsOf(c: Candidate, { options }: HandlerManifest): (() => ValidateFunction) | BadSchema | undefined {
    if (!options) return undefined
    const built = c.origin === 'bundled' ? builtValidator(options) : undefined
    if (built) return built
    const compiled = compileOptions(options, this.compilerFor(c))
    return typeof compiled === 'function' ? () => compiled : compiled
  }

  /** The package, accepted, or the one line why not. Never throws and runs nothing of the package. */
  judge(c: Candidate): Accepted | Refusal {
    const fault = this.apiFault(c) ?? this.schemaFault(c)
    if (fault) return fault
    const manifest = c.field as HandlerManifest
    const unmet = this.requirementFault(c, manifest)
    if (unmet) return unmet
    const options = this.optionsOf(c, manifest)
    if (options && typeof options !== 'function') return refusal('E_HANDLER_OPTIONS_SCHEMA', c, `${c.fieldName}.options`, options.wanted, options.found)
    const entry = entryOf(c.real, c.packageJson)
    if (typeof entry !== 'string') return refusal('E_HANDLER_ENTRY', c, entry.field, entry.wanted, entry.found)
    const unsafe = c.origin === 'bundled' ? undefined : this.env.guard.check(entry)
    if (unsafe) return refusal('E_HANDLER_UNSAFE_PATH', c, unsafe.path, unsafe.wanted, unsafe.found)
    return {
      candidate: c, manifest, entry, warnings: this.warnings(c), identity: `${c.version} ${c.real}`,
      // Loaded when the options of a device are looked at.
      get options() { return options?.() },
    }
  }

  /** First, because a manifest for another API may have fields that this one does not know. */
  private apiFault(c: Candidate): Refusal | undefined {
    const range = (c.field as { apiVersion?: unknown } | null | undefined)?.apiVersion
    if (typeof range !== 'string' || range.length > manifestSchema.properties.apiVersion.maxLength) return undefined
    const field = `${c.fieldName}.apiVersion`
    if (validRange(range) === null) return refusal('E_HANDLER_MANIFEST', c, field, 'a semver range', quote(range))
    return inRange(this.env.apiVersion, range) ? undefined : refusal('E_HANDLER_API', c, field, `a range that has ${this.env.apiVersion}`, quote(range))
  }

  private schemaFault(c: Candidate): Refusal | undefined {
    if (this.manifest(c.field)) return undefined
    const { key, wanted, found } = faultOf(this.manifest, c.field, c.fieldName)
    return refusal('E_HANDLER_MANIFEST', c, key, wanted, found)
  }

  private requirementFault(c: Candidate, { requires }: HandlerManifest): Refusal | undefined {
    const kernel = coerce(this.env.kernel)?.version ?? '0.0.0'
    for (const [name, version] of [['node', this.env.node], ['kernel', kernel]] as const) {
      const range = requires?.[name]
      if (range === undefined) continue
      const field = `${c.fieldName}.requires.${name}`
      if (validRange(range) === null) return refusal('E_HANDLER_MANIFEST', c, field, 'a semver range', quote(range))
      if (!inRange(version, range)) return refusal('E_HANDLER_REQUIRES', c, field, quote(range), version)
    }
    return undefined
  }

  private warnings(c: Candidate): Refusal[] {
    const range = (c.packageJson.engines as { node?: unknown } | undefined)?.node
    if (typeof range !== 'string' || validRange(range) === null || inRange(this.env.node, range)) return []
    return [refusal('E_HANDLER_ENGINE', c, 'engines.node', quote(range), this.env.node)]
  }
}
