/** D-Bus object paths allow no other characters, and the subtype is a path element there. */
export const SUBTYPE_PATTERN = '^[A-Za-z0-9_]+$'
/** The object of this name belongs to the service itself. */
export const RESERVED_SUBTYPE = 'HandlerManager1'
export const SUBTYPE_MAX = 64

export type HandlerShape = 'blocks' | 'commands'

/** The `tcmuHandler` field of a handler's package.json. Everything the host knows before it runs the code. */
export interface HandlerManifest {
  readonly apiVersion: string
  readonly subtype: string
  readonly shape: HandlerShape
  readonly configHelp: string
  readonly summary?: string
  readonly options?: Readonly<Record<string, unknown>>
  readonly requires?: { readonly libraries?: readonly string[]; readonly node?: string; readonly kernel?: string }
  readonly thread?: 'any' | 'main'
}

const range = { type: 'string', minLength: 1, maxLength: 128 } as const

/** JSON Schema 2020-12 of `HandlerManifest`; docs/manifest.md is made from it. */
export const manifestSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'tcmuHandler',
  description: 'What a TCMU handler package says of itself in package.json',
  type: 'object',
  required: ['apiVersion', 'subtype', 'shape', 'configHelp'],
  additionalProperties: false,
  properties: {
    apiVersion: { ...range, description: 'Semver range of the handler API the package was written for, e.g. `^1.0`. Not the version of the host.' },
    subtype: {
      type: 'string',
      pattern: SUBTYPE_PATTERN,
      maxLength: SUBTYPE_MAX,
      not: { const: RESERVED_SUBTYPE },
      description: 'First part of the cfgstring (`SUBTYPE/REST`), unique on a host. Letters, digits and underscores; `HandlerManager1` is taken.',
    },
    shape: {
      type: 'string',
      enum: ['blocks', 'commands'],
      description: '`blocks`: has `read` and `write`, the host speaks SCSI. `commands`: has `handleCmd` and speaks SCSI itself.',
    },
    configHelp: { type: 'string', minLength: 1, maxLength: 4096, description: 'What REST of the cfgstring is, for people: `/path/to/file`.' },
    summary: { type: 'string', minLength: 1, maxLength: 256, description: 'One sentence for lists.' },
    options: {
      type: 'object',
      description: 'JSON Schema (2020-12) of the structured options a device may be given beside the cfgstring.',
    },
    requires: {
      type: 'object',
      additionalProperties: false,
      description: 'What must be there before the code is loaded.',
      properties: {
        libraries: {
          type: 'array',
          maxItems: 32,
          items: { type: 'string', minLength: 1, maxLength: 128 },
          description: 'Shared libraries the code opens, e.g. `librados.so.2`. Named in the refusal when loading fails.',
        },
        node: { ...range, description: 'Semver range of Node.js; outside it the package is refused.' },
        kernel: { ...range, description: 'Semver range of the Linux kernel release; outside it the package is refused.' },
      },
    },
    thread: {
      type: 'string',
      enum: ['any', 'main'],
      default: 'any',
      description: '`main`: the code cannot run in a worker thread.',
    },
  },
} as const
