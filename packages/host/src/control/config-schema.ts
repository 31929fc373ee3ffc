import { NAME_PATTERN, SERIAL_PATTERN } from './lun'
import { ioEngineNames, logLevelNames } from './names'

export const portStates = ['optimized', 'non-optimized', 'standby', 'unavailable', 'transitioning'] as const

export const portAccess = ['implicit', 'explicit'] as const

/** A millisecond: longer than that nobody else of the host should wait. */
export const MOST_POLL_US = 1000

const text = { type: 'string', minLength: 1, maxLength: 8192 } as const
const level = { enum: [0, 1, 2, 3, 4, 5, ...logLevelNames] } as const
const size = { anyOf: [{ type: 'integer', minimum: 0 }, text] } as const

/** What is in a list is told by its parser, in better words. */
const filters = { anyOf: [text, { type: 'array', maxItems: 64 }] } as const

/** JSON Schema of the configuration file. What its texts mean is checked by the parsers that the command line uses. */
export const configSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    logLevel: { ...level, description: 'How much is logged: a number as of the C daemon, or its name.' },
    handlerRoot: { ...text, description: 'Folder with the `node_modules` of installed handlers.' },
    handlerPaths: { type: 'array', maxItems: 64, items: text, description: 'Handler packages, or folders of them, used besides.' },
    placement: { type: 'object', additionalProperties: { enum: ['inline', 'worker', 'process'] }, description: 'Where the code of handlers runs, by subtype. Left out: handlers of this host in its own thread, but for those of shared libraries (rbd, glfs); others in processes.' },
    ioEngine: { enum: ioEngineNames, description: 'What carries out file I/O that waits: io_uring (`uring`), threads of our own, or io_uring where it is to be had (`auto`). Left out: `auto`.' },
    devices: {
      type: 'object',
      description: 'What devices have that are described elsewhere (LIO), by name, or by `SUBTYPE/`: `filters` as in `luns`. The name goes first.',
      additionalProperties: { type: 'object', additionalProperties: false, properties: { filters } },
    },
    inlineFilters: { type: 'array', maxItems: 64, items: text, description: "Names of filters that did not come with the host and whose code may run in the host's own process." },
    targetName: { ...text, description: 'iSCSI name of the target.' },
    portal: { ...text, description: 'Address to listen on, ADDR:PORT.' },
    chap: {
      type: 'object',
      description: 'CHAP; left out: nobody is asked who they are.',
      additionalProperties: false,
      properties: {
        user: { ...text, description: 'User that initiators must prove to be.' },
        secretFile: { ...text, description: 'File with the secret of that user.' },
        mutualUser: { ...text, description: 'User that the target proves to be, where the initiator asks.' },
        mutualSecretFile: { ...text, description: 'File with the secret of the target; another one.' },
      },
    },
    acl: { type: 'array', maxItems: 1024, items: text, description: 'Names of the initiators that may log in; left out: all.' },
    portGroup: {
      type: 'object',
      description: 'Target port group that the portal is; left out: initiators hear nothing of groups. For hosts that serve the same disks.',
      additionalProperties: false,
      required: ['id'],
      properties: {
        id: { type: 'integer', minimum: 1, maximum: 65535, description: 'Number of the group; each host has its own.' },
        port: { type: 'integer', minimum: 1, maximum: 65535, description: 'Relative target port identifier; each host has its own. Left out: the number of the group.' },
        state: { enum: portStates, description: 'What the portal lets through. Left out: `optimized`. Initiators hear of a change.' },
        preferred: { type: 'boolean', description: 'Initiators had better use this one.' },
        access: { enum: portAccess, description: 'Who changes the state: the operator (`implicit`), or initiators by SET TARGET PORT GROUPS (`explicit`), which takes no `state`: it begins in standby. Left out: `implicit`.' },
        others: {
          type: 'array',
          maxItems: 255,
          description: 'Groups of the other hosts with the same disks, which initiators of this one are told of. For `explicit`.',
          items: {
            type: 'object',
            additionalProperties: false,
            required: ['id'],
            properties: {
              id: { type: 'integer', minimum: 1, maximum: 65535, description: 'Number of that group.' },
              port: { type: 'integer', minimum: 1, maximum: 65535, description: 'Its relative target port identifier. Left out: the number of the group.' },
            },
          },
        },
      },
    },
    logLevels: { type: 'object', additionalProperties: level, description: 'Levels of single devices, by their names.' },
    logDir: { ...text, description: 'Folder for `tcmu-runner.log`.' },
    logFormat: { enum: ['text', 'json'], description: 'Lines of the log file: as the C daemon writes them, or JSON.' },
    pollUs: { type: 'integer', minimum: 0, maximum: MOST_POLL_US, description: 'Microseconds that rings of the kernel, or sockets of the portal, are looked at before sleeping, while commands come quickly. Left out: 50 for rings, 100 for sockets; 0 on one processor.' },
    dbus: { anyOf: [{ type: 'boolean' }, text], description: 'Whether targetcli is answered on the system bus, or the address of another bus.' },
    luns: {
      type: 'array',
      description: 'Logical units; the first is LUN 0.',
      maxItems: 256,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'cfgstring'],
        properties: {
          name: { type: 'string', pattern: NAME_PATTERN, description: 'Letters, digits, dot, dash and underscore, at most 64. The serial number is made from it.' },
          size: { ...size, description: 'Bytes, or a text such as `64M` or `2TiB`: powers of 1024. Left out: the handler says.' },
          cfgstring: { ...text, description: '`SUBTYPE/REST`: the handler, and what it is to open.' },
          options: { type: 'object', description: 'Structured options, as the manifest of the handler has them.' },
          filters: { ...filters, description: 'Filters before the handler, the first one asked first: texts such as `delay:read=5ms`, or objects with `name` and options.' },
          blockSize: { type: 'integer', enum: [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536], description: 'Bytes of a logical block. Left out: 512.' },
          physicalBlockSize: { type: 'integer', minimum: 512, maximum: 2 ** 31, description: 'Bytes of a physical block: the block size times a power of two. Left out: the handler says.' },
          strictCdb: { type: 'boolean', description: 'Commands with reserved bits are refused with ILLEGAL REQUEST; left out: such bits are ignored.' },
          thick: { type: 'boolean', description: 'Storage for all of it is reserved when it is opened, and stays so: what initiators unmap is zeroed. With a handler that cannot reserve, nothing is unmapped.' },
          readOnly: { type: 'boolean', description: 'Writes are refused with DATA PROTECT.' },
          serial: { type: 'string', pattern: SERIAL_PATTERN, description: 'Letters, digits and dashes, at most 64. Left out: made from the names of target and LUN.' },
        },
      },
    },
  },
} as const

/** The target port group of the portal. */
export interface PortGroupConfig {
  readonly id: number
  readonly port?: number
  readonly state?: (typeof portStates)[number]
  readonly preferred?: boolean
  readonly access?: (typeof portAccess)[number]
  readonly others?: readonly { readonly id: number; readonly port?: number }[]
}

type Level = number | (typeof logLevelNames)[number]

/** What a file that holds to the schema gives. */
export interface ConfigFile {
  readonly logLevel?: Level
  readonly logLevels?: Readonly<Record<string, Level>>
  readonly logDir?: string
  readonly logFormat?: 'text' | 'json'
  readonly pollUs?: number
  readonly dbus?: boolean | string
  readonly handlerRoot?: string
  readonly handlerPaths?: readonly string[]
  readonly placement?: Readonly<Record<string, 'inline' | 'worker' | 'process'>>
  readonly ioEngine?: (typeof ioEngineNames)[number]
  readonly devices?: Readonly<Record<string, { readonly filters?: unknown }>>
  readonly inlineFilters?: readonly string[]
  readonly targetName?: string
  readonly portal?: string
  readonly chap?: { readonly user?: string; readonly secretFile?: string; readonly mutualUser?: string; readonly mutualSecretFile?: string }
  readonly acl?: readonly string[]
  readonly portGroup?: PortGroupConfig
  readonly luns?: readonly {
    readonly name: string
    readonly size?: number | string
    readonly cfgstring: string
    readonly options?: Readonly<Record<string, unknown>>
    readonly filters?: unknown
    readonly blockSize?: number
    readonly physicalBlockSize?: number
    readonly strictCdb?: boolean
    readonly thick?: boolean
    readonly readOnly?: boolean
    readonly serial?: string
  }[]
}
