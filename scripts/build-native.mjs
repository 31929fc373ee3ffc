#!/usr/bin/env node
// Builds native/build/Release/*.node with node-gyp when a source is newer. `--force` builds always; what follows `--`
// goes to gyp (`-- -Dsanitize=address`).
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { command, filesBelow, inRoot, Refusal, run, step, which } from './lib.mjs'

const outputs = ['tcmu_core', 'tcmu_rbd', 'tcmu_glfs'].map((name) => inRoot('native/build/Release', `${name}.node`))
const tools = ['python3', 'make', 'g++']

function isBuilt() {
  if (!outputs.every((file) => existsSync(file))) return false
  const built = Math.min(...outputs.map((file) => statSync(file).mtimeMs))
  const sources = filesBelow('native', (n) => /\.(cpp|h|gypi?)$/.test(n))
  return sources.every((file) => statSync(inRoot(file)).mtimeMs <= built)
}

const headersVersion = (folder) => {
  try {
    const text = readFileSync(join(folder, 'include/node/node_version.h'), 'utf8')
    return ['MAJOR', 'MINOR', 'PATCH'].map((part) => new RegExp(`#define NODE_${part}_VERSION (\\d+)`).exec(text)[1]).join('.')
  } catch {
    return undefined
  }
}

/** A folder with this Node's headers, so that node-gyp need not download them; undefined when there is none. */
function nodeFolder() {
  const asked = process.env.npm_config_nodedir ?? process.env.NODEDIR
  if (asked) return asked
  return [dirname(dirname(process.execPath)), '/usr', '/usr/local'].find((folder) => headersVersion(folder) === process.versions.node)
}

function nodeGyp() {
  try {
    return createRequire(inRoot('package.json')).resolve('node-gyp/bin/node-gyp.js')
  } catch {
    throw new Refusal('node-gyp is not installed. Run `npm ci` first.')
  }
}

function checkTools() {
  const missing = tools.filter((name) => !which(name))
  if (missing.length === 0) return
  throw new Refusal(`Building the native addon needs ${missing.join(', ')}. On Debian, as root: apt-get install ${missing.join(' ')}`)
}

command(async () => {
  const args = process.argv.slice(2)
  const split = args.includes('--') ? args.indexOf('--') : args.length
  const gypArgs = args.slice(split)
  if (isBuilt() && !args.slice(0, split).includes('--force') && gypArgs.length === 0) {
    process.stdout.write('the native addon is up to date\n')
    return
  }
  checkTools()
  const gyp = nodeGyp()
  const folder = nodeFolder()
  await step('native addon: node-gyp rebuild', async (progress) => {
    await run(process.execPath, [gyp, 'rebuild', ...(folder ? [`--nodedir=${folder}`] : []), ...gypArgs], {
      progress,
      cwd: inRoot('native'),
      hint: folder ? undefined : `There are no headers beside ${process.execPath}; set npm_config_nodedir to a folder that has include/node.`,
    })
    const missing = outputs.find((file) => !existsSync(file))
    if (missing) throw new Refusal(`node-gyp ended well, but there is no ${missing}`)
  })
})
