import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { ValidateFunction } from 'ajv/dist/2020'

/** Where the build puts checks of the schemas that come with the host (scripts/validators.mjs). */
export const builtFolder = join(__dirname, '../validators')

/** By digest: a check is never taken for that of another schema, whatever was built when. */
export const builtName = (schema: object): string => `${createHash('sha256').update(JSON.stringify(schema)).digest('hex').slice(0, 32)}.js`

/** The check of a schema as it was built, loaded when it is called for; undefined when none was. */
export function builtValidator(schema: object): (() => ValidateFunction) | undefined {
  const path = join(builtFolder, builtName(schema))
  return existsSync(path) ? () => createRequire(__filename)(path) as ValidateFunction : undefined
}
