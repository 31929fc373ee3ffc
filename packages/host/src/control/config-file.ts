import { dirname, extname, join, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { quote, reasonOf, TcmuError, tcmuError } from '../errors'
import { type FilterText, readFilters } from '../filter'
import { faultOf, readBounded, validatorOf } from '../input'
import { checkIscsiName, parseAddress } from './address'
import { parseCfgstring } from './cfgstring'
import { type ConfigFile, configSchema } from './config-schema'
import { DEFAULT_BLOCK_SIZE, type LunConfig } from './lun'
import { parseSize } from './size'
import { confError, readTcmuConf } from './tcmu-conf'

const MAX_CONFIG = 1024 * 1024
const MAX_VALUES = 100_000
const MAX_DEPTH = 100
/**
 * cosmiconfig's parsers of data, not its search: making an explorer (9.0.2) reads package.json and .config/ of the working
 * folder, and would run a .config/config.js there; a daemon started as root must not. Loaded when there is a file to parse.
 */
const parserOf = (extension: ConfigExtension): ((path: string, text: string) => unknown) =>
  (require('cosmiconfig') as typeof import('cosmiconfig')).defaultLoadersSync[extension]
const extensions = ['.json', '.yaml', '.yml'] as const
type ConfigExtension = (typeof extensions)[number]

type Env = Readonly<Record<string, string | undefined>>

export const SYSTEM_FOLDER = '/etc/tcmu'
/** The C daemon's own file; what the host's file says goes before it. */
const CONF = 'tcmu.conf'

/** Where a configuration file is looked for, in order; never in the working folder. */
export function searchPlaces(env: Env, system = SYSTEM_FOLDER): string[] {
  const user = env.XDG_CONFIG_HOME || (env.HOME && join(env.HOME, '.config'))
  const folders = [system, ...(user ? [join(user, 'tcmu')] : [])]
  return folders.flatMap((folder) => extensions.map((ext) => join(folder, `host${ext}`)))
}

/** A configuration that holds, its paths absolute and its texts read. */
export interface Config {
  /** Where it came from; undefined when there was none. */
  readonly file: string | undefined
  readonly logLevel?: ConfigFile['logLevel']
  readonly logLevels?: ConfigFile['logLevels']
  readonly logDir?: string
  readonly logFormat?: ConfigFile['logFormat']
  readonly pollUs?: number
  readonly dbus?: ConfigFile['dbus']
  readonly handlerRoot?: string
  readonly handlerPaths: readonly string[]
  readonly placement?: ConfigFile['placement']
  readonly ioEngine?: ConfigFile['ioEngine']
  readonly devices?: Readonly<Record<string, { readonly filters?: readonly FilterText[] }>>
  readonly inlineFilters?: readonly string[]
  readonly targetName?: string
  readonly portal?: string
  readonly chap: NonNullable<ConfigFile['chap']>
  readonly acl?: readonly string[]
  readonly portGroup?: ConfigFile['portGroup']
  readonly luns: readonly LunConfig[]
}

export const noConfig: Config = Object.freeze({ file: undefined, handlerPaths: [], chap: {}, luns: [] })

/** Whether a document is small also when YAML aliases in it are written out. */
function fits(document: unknown): boolean {
  let left = MAX_VALUES
  const walk = (value: unknown, depth: number): boolean =>
    --left > 0 && depth < MAX_DEPTH && (typeof value !== 'object' || value === null || Object.values(value).every((v) => walk(v, depth + 1)))
  return walk(document, 0)
}

/** What a parser says, without the file's name and the pieces of text that it draws, in colours where a terminal or CI asks for them. */
function parserReason(e: unknown): string {
  const lines = stripVTControlCharacters(e instanceof Error ? e.message : String(e)).split('\n').filter((l) => l.trim() !== '' && !/^>?\s*\d*\s*\|/.test(l))
  return reasonOf(lines.join(' ').replace(/^(JSON|YAML) Error in .*?: */, 'not $1: '))
}

function readDocument(file: string): unknown {
  const wrong = (reason: string, cause?: unknown): Error => tcmuError('E_CONFIG_FILE', { file, reason }, { cause })
  const extension = extensions.find((e) => e === extname(file))
  if (!extension) throw wrong(`wanted a name that ends in ${extensions.join(', ')}`)
  const read = readBounded(file, MAX_CONFIG)
  if ('wanted' in read) throw wrong(`wanted ${read.wanted}, found ${read.found}`)
  let document: unknown
  try {
    document = parserOf(extension)(file, read.text) ?? {}
  } catch (e) {
    throw wrong(parserReason(e), e)
  }
  if (!fits(document)) throw wrong(`it holds more than ${MAX_VALUES} values`)
  return document
}

/** Run a parser of a text; what it throws is told with file and key. */
function setting<T>(file: string, key: string, text: unknown, parse: () => T): T {
  try {
    return parse()
  } catch (e) {
    if (!(e instanceof TcmuError)) throw e
    const reason = typeof e.facts.reason === 'string' ? e.facts.reason : e.message
    throw tcmuError('E_CONFIG', { file, key, wanted: `a value that can be used (${reason})`, found: quote(text) }, { cause: e })
  }
}

const filtersOf = (file: string, key: string, filters: unknown): { filters?: FilterText[] } =>
  filters === undefined ? {} : { filters: setting(file, key, filters, () => readFilters(filters)) }

const devicesOf = (file: string, devices: NonNullable<ConfigFile['devices']>): NonNullable<Config['devices']> =>
  Object.fromEntries(Object.entries(devices).map(([name, { filters }]) => [name, filtersOf(file, `devices.${name}.filters`, filters)]))

function lunsOf(file: string, luns: NonNullable<ConfigFile['luns']>): LunConfig[] {
  const names = new Set<string>()
  return luns.map((lun, i) => {
    if (names.has(lun.name)) throw tcmuError('E_CONFIG', { file, key: `luns.${i}.name`, wanted: 'a name of its own', found: quote(lun.name) })
    names.add(lun.name)
    const { subtype, config } = setting(file, `luns.${i}.cfgstring`, lun.cfgstring, () => parseCfgstring(lun.cfgstring))
    const sizeBytes = setting(file, `luns.${i}.size`, lun.size, () => parseSize(lun.size ?? 0))
    return {
      name: lun.name, subtype, config, sizeBytes, blockSize: lun.blockSize ?? DEFAULT_BLOCK_SIZE, readOnly: lun.readOnly ?? false,
      ...(lun.strictCdb && { strictCdb: true }), ...(lun.thick && { thick: true }),
      ...(lun.physicalBlockSize !== undefined && { physicalBlockSize: lun.physicalBlockSize }),
      ...filtersOf(file, `luns.${i}.filters`, lun.filters),
      options: lun.options, serial: lun.serial,
    }
  })
}

/** Who changes the states, and numbers that differ. */
function checkPortGroup(file: string, { id, state, access, others = [] }: NonNullable<ConfigFile['portGroup']>): void {
  const wrong = (key: string, wanted: string, found: unknown): Error => tcmuError('E_CONFIG', { file, key: `portGroup.${key}`, wanted, found: quote(found) })
  if (access === 'explicit' && state !== undefined) throw wrong('state', 'none, as initiators change the state of explicit groups', state)
  const ids = new Set([id])
  for (const [i, other] of others.entries()) {
    if (ids.has(other.id)) throw wrong(`others.${i}.id`, 'a number of its own', other.id)
    ids.add(other.id)
  }
}

/**
 * Check a document as the configuration of `file`; relative paths in it are from the file's folder. Throws E_CONFIG naming
 * file, key, what was wanted and what was found.
 */
export function checkConfig(document: unknown, file: string): Config {
  const validate = validatorOf(configSchema)
  if (!validate(document)) throw tcmuError('E_CONFIG', { file, ...faultOf(validate, document) })
  const c = document as ConfigFile
  const from = (path: string): string => resolve(dirname(file), path)
  if (c.targetName !== undefined) setting(file, 'targetName', c.targetName, () => checkIscsiName(c.targetName!))
  if (c.portal !== undefined) setting(file, 'portal', c.portal, () => parseAddress(c.portal!))
  if (c.portGroup !== undefined) checkPortGroup(file, c.portGroup)
  c.acl?.forEach((name, i) => setting(file, `acl.${i}`, name, () => checkIscsiName(name)))
  const { handlerRoot, handlerPaths, chap, luns, devices, logDir, ...plain } = c
  return {
    ...plain,
    file,
    ...(logDir !== undefined && { logDir: from(logDir) }),
    ...(handlerRoot !== undefined && { handlerRoot: from(handlerRoot) }),
    handlerPaths: (handlerPaths ?? []).map(from),
    chap: {
      ...chap,
      ...(chap?.secretFile !== undefined && { secretFile: from(chap.secretFile) }),
      ...(chap?.mutualSecretFile !== undefined && { mutualSecretFile: from(chap.mutualSecretFile) }),
    },
    ...(devices && { devices: devicesOf(file, devices) }),
    luns: lunsOf(file, luns ?? []),
  }
}

const missing = (e: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(String((e as NodeJS.ErrnoException).code))

/** Read one place; undefined when nothing is there and nobody asked for it. */
function readPlace<T>(file: string, asked: boolean, read: () => T): T | undefined {
  try {
    return read()
  } catch (e) {
    if (e instanceof TcmuError) throw e
    if (missing(e) && !asked) return undefined
    throw tcmuError('E_CONFIG_FILE', { file, reason: missing(e) ? 'there is no such file' : reasonOf(e) }, { cause: e })
  }
}

/** The C daemon's file as a document for the schema; its faults go to `fault`. */
function readConf(file: string, asked: boolean, fault: (e: Error) => void): Config | undefined {
  const conf = readPlace(file, asked, () => readTcmuConf(file))
  for (const f of conf?.faults ?? []) fault(confError(file, f))
  return conf && checkConfig(conf.values, file)
}

export interface ConfigPlaces {
  /** In place of /etc/tcmu. */
  readonly system?: string
  /** Told of every line of a tcmu.conf that is not taken. Default: the first is thrown. */
  readonly fault?: (e: Error) => void
}
const throwIt = (e: Error): never => {
  throw e
}

/** Files that the configuration is read from, whether they are there or not. */
export const configFiles = (file: string | undefined, env: Env, { system = SYSTEM_FOLDER }: ConfigPlaces = {}): string[] =>
  file === undefined ? [join(system, CONF), ...searchPlaces(env, system)] : [resolve(file)]

/**
 * Read the configuration: `file` alone when it is given (a tcmu.conf when its name ends so), else the first of the search
 * places that is there, over the tcmu.conf of the system. Throws E_CONFIG_FILE or E_CONFIG.
 */
export function loadConfig(file: string | undefined, env: Env, { system = SYSTEM_FOLDER, fault = throwIt }: ConfigPlaces = {}): Config {
  if (file !== undefined && extname(file) === extname(CONF)) return readConf(resolve(file), true, fault)!
  const under = file === undefined ? readConf(join(system, CONF), false, fault) : undefined
  for (const place of file === undefined ? searchPlaces(env, system) : [resolve(file)]) {
    const found = readPlace(place, file !== undefined, () => checkConfig(readDocument(place), place))
    if (found) return { ...under, ...found }
  }
  return under ?? noConfig
}
