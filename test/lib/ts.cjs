// Run a TypeScript file of the tests as a program: node test/lib/ts.cjs FILE [ARGUMENT...]
const { resolve } = require('node:path')
const { transformFileSync } = require('@swc/core')

const options = { swcrc: false, sourceMaps: 'inline', jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }
require.extensions['.ts'] = (module, file) => module._compile(transformFileSync(file, options).code, file)

process.argv.splice(1, 1)
process.argv[1] = resolve(process.argv[1])
require(process.argv[1])
