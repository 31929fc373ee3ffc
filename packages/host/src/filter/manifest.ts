export const FILTER_NAME_PATTERN = '^[a-z][a-z0-9-]{0,63}$'

/** One filter of the `tcmuFilter` field of a package.json: everything the host knows before it runs the code. */
export interface FilterManifest {
  readonly apiVersion: string
  readonly name: string
  readonly summary: string
  readonly options?: Readonly<Record<string, unknown>>
  readonly requires?: { readonly node?: string; readonly kernel?: string }
}

const range = { type: 'string', minLength: 1, maxLength: 128 } as const

/** JSON Schema 2020-12 of `FilterManifest`; docs/filters.md has a table made from it. */
export const filterManifestSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'tcmuFilter',
  description: 'What a package says in package.json of a filter that it has',
  type: 'object',
  required: ['apiVersion', 'name', 'summary'],
  additionalProperties: false,
  properties: {
    apiVersion: { ...range, description: 'Semver range of the filter API the filter was written for, e.g. `^1.0`.' },
    name: { type: 'string', pattern: FILTER_NAME_PATTERN, description: 'What configurations call it, unique on a host. Small letters, digits and dashes.' },
    summary: { type: 'string', minLength: 1, maxLength: 256, description: 'One sentence for lists.' },
    options: { type: 'object', description: 'JSON Schema (2020-12) of its options, an object. Left out: it has none.' },
    requires: {
      type: 'object',
      additionalProperties: false,
      description: 'What must be there before the code is loaded.',
      properties: {
        node: { ...range, description: 'Semver range of Node.js; outside it the filter is refused.' },
        kernel: { ...range, description: 'Semver range of the Linux kernel release; outside it the filter is refused.' },
      },
    },
  },
} as const
