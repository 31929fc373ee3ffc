#!/usr/bin/env node
// Compiles the schemas that come with the host into packages/host/dist/validators, after tsc: at run time the compiler would be
// loaded and run at every start. The host looks for a check by the digest of its schema, and compiles what is not there.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { command, inRoot } from './lib.mjs'

const inHost = createRequire(inRoot('packages/host/package.json'))
const built = (module) => inHost(`./dist/${module}`)

/** Schemas of the options of the handlers in packages/. */
const optionsOfHandlers = () => readdirSync(inRoot('packages')).filter((name) => name.startsWith('handler-'))
  .flatMap((name) => JSON.parse(readFileSync(inRoot('packages', name, 'package.json'), 'utf8')).tcmuHandler)
  .flatMap(({ options }) => options ?? [])

command(async () => {
  const { builtFolder, builtName } = built('input/built')
  const { schemaCompiler } = built('input/schema')
  const standalone = inHost('ajv/dist/standalone').default
  const own = [built('handler/manifest').manifestSchema, built('filter/manifest').filterManifestSchema, built('control/config-schema').configSchema, built('plugins/trust').recordsSchema]
  rmSync(builtFolder, { recursive: true, force: true })
  mkdirSync(builtFolder)
  for (const schema of [...own, ...optionsOfHandlers()]) {
    const compiler = schemaCompiler(true, { code: { source: true } })
    writeFileSync(join(builtFolder, builtName(schema)), standalone(compiler, compiler.compile(schema)))
  }
})
