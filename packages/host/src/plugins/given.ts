import type { ValidateFunction } from 'ajv/dist/2020'
import { checkHandler, shapeOf } from '../handler/define'
import type { Handler } from '../handler/types'
import { HANDLER_API_VERSION } from '../handler/version'
import type { Accepted } from './validate'

/** The program knows what it gives its own handlers: any options will do. */
const anything = (() => true) as unknown as ValidateFunction

/** A handler that the program has in its hands: no package, no manifest, nothing to load. Throws E_HANDLER_SHAPE. */
export function givenHandler(given: Handler): Accepted {
  const handler = checkHandler(given)
  const { subtype, summary } = handler
  const shape = shapeOf(handler)!
  return {
    candidate: {
      package: '(this program)', version: '', path: '', real: '', origin: 'program', field: undefined, fieldName: 'handlers', packageJson: {},
    },
    manifest: { apiVersion: HANDLER_API_VERSION, subtype, shape, configHelp: summary ?? 'what its program makes of it', ...(summary !== undefined && { summary }) },
    entry: '', options: anything, warnings: [], identity: '',
  }
}
