import { configSchema } from '../control/config-schema'
import { manifestSchema } from '../handler/manifest'
import { schemaCompiler } from './schema'

test.each([['configuration', configSchema], ['manifest', manifestSchema]])('the schema of the %s holds to the meta-schema, which the host does not ask', (_, schema) => {
  expect(schemaCompiler().compile(schema)({})).toBeDefined()
})
