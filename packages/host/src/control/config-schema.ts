import { NAME_PATTERN, SERIAL_PATTERN } from './lun'

export const logLevelNames = ['crit', 'error', 'warning', 'info', 'debug', 'debug-scsi-cmd'] as const

const text = { type: 'string', minLength: 1, maxLength: 8192 } as const
const level = { enum: [0, 1, 2, 3, 4, 5, ...logLevelNames] } as const
const size = { anyOf: [{ type: 'integer', minimum: 0 }, text] } as const

/** JSON Schema of the configuration file. What its texts mean is checked by the parsers that the command line uses. */
export const configSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    logLevel: { ...level, description: 'How much is logged: a number as of the C daemon, or its name.' },
    handlerRoot: { ...text, description: 'Folder with the `node_modules` of installed handlers.' },
    handlerPaths: { type: 'array', maxItems: 64, items: text, description: 'Handler packages, or folders of them, used besides.' },
    targetName: { ...text, description: 'iSCSI name of the target.' },
    portal: { ...text, description: 'Address to listen on, ADDR:PORT.' },
    chap: {
      type: 'object',
      additionalProperties: false,
      properties: { user: text, secretFile: text, mutualUser: text, mutualSecretFile: text },
    },
    acl: { type: 'array', maxItems: 1024, items: text, description: 'Names of the initiators that may log in; left out: all.' },
    logLevels: { type: 'object', additionalProperties: level, description: 'Levels of single devices, by their names.' },
    logDir: { ...text, description: 'Folder for `tcmu-runner.log`.' },
    logFormat: { enum: ['text', 'json'], description: 'Lines of the log file: as the C daemon writes them, or JSON.' },
    dbus: { anyOf: [{ type: 'boolean' }, text], description: 'Whether targetcli is answered on the system bus, or the address of another bus.' },
    luns: {
      type: 'array',
      maxItems: 256,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'cfgstring'],
        properties: {
          name: { type: 'string', pattern: NAME_PATTERN },
          size,
          cfgstring: text,
          options: { type: 'object' },
          blockSize: { type: 'integer', enum: [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] },
          readOnly: { type: 'boolean' },
          serial: { type: 'string', pattern: SERIAL_PATTERN },
        },
      },
    },
  },
} as const

type Level = number | (typeof logLevelNames)[number]

/** What a file that holds to the schema gives. */
export interface ConfigFile {
  readonly logLevel?: Level
  readonly logLevels?: Readonly<Record<string, Level>>
  readonly logDir?: string
  readonly logFormat?: 'text' | 'json'
  readonly dbus?: boolean | string
  readonly handlerRoot?: string
  readonly handlerPaths?: readonly string[]
  readonly targetName?: string
  readonly portal?: string
  readonly chap?: { readonly user?: string; readonly secretFile?: string; readonly mutualUser?: string; readonly mutualSecretFile?: string }
  readonly acl?: readonly string[]
  readonly luns?: readonly {
    readonly name: string
    readonly size?: number | string
    readonly cfgstring: string
    readonly options?: Readonly<Record<string, unknown>>
    readonly blockSize?: number
    readonly readOnly?: boolean
    readonly serial?: string
  }[]
}
