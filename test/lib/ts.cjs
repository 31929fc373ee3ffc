// Run the `main` that a TypeScript file of the tests exports: node test/lib/ts.cjs FILE [ARGUMENT...]
const { resolve } = require('node:path')
const { transformFileSync } = require('@swc/core')

const options = { swcrc: false, sourceMaps: 'inline', jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }
require.extensions['.ts'] = (module, file) => module._compile(transformFileSync(file, options).code, file)

const [, , file, ...args] = process.argv
require(resolve(file)).main(...args).catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
