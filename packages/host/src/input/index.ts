/** Text of others, brought in: read within bounds, checked against schemas, complained about in one line. */
export { readBounded } from './read-bounded'
export { builtFolder, builtName, builtValidator } from './built'
export { type Fault, faultOf, schemaCompiler, validatorOf } from './schema'
