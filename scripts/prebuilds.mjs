#!/usr/bin/env node
// Puts the addons that were built here where native/index.ts looks for them in a package from npm: prebuilds/PLATFORM-ARCH.
// Runs before `npm pack` and `npm publish` of native/; nothing is built or fetched where the package is installed.
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { command, inRoot, Refusal } from './lib.mjs'

command(async () => {
  const built = inRoot('native/build/Release')
  const addons = existsSync(built) ? readdirSync(built).filter((name) => name.endsWith('.node')) : []
  if (addons.length === 0) throw new Refusal('the native addon is not built. Run `npm run build:native` first.')
  const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
  const folder = inRoot('native/prebuilds', `${process.platform}-${process.arch}`)
  mkdirSync(folder, { recursive: true })
  for (const name of addons) copyFileSync(join(built, name), join(folder, name.replace(/node$/, `${musl ? 'musl' : 'glibc'}.node`)))
  process.stderr.write(`prebuilds: ${readdirSync(inRoot('native/prebuilds')).join(', ')}\n`)
})
