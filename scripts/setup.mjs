// From a fresh clone to something that runs. Each step is skipped when nothing it depends on has changed.
import { existsSync, readFileSync } from 'node:fs'
import { filesBelow, fingerprint, inRoot, isCurrent, isRoot, markCurrent, Refusal, run, step, which } from './lib.mjs'

const OLDEST_NODE = 20

/** Programs that building needs, and the Debian package of each. */
const buildTools = { python3: 'python3', make: 'make', 'g++': 'g++' }

export function checkNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < OLDEST_NODE) throw new Refusal(`This needs Node ${OLDEST_NODE} or later; this is ${process.version}. See https://nodejs.org`)
}

/** Debian packages of the programs that are not there. */
export const missingPackages = (tools) =>
  [...new Set(Object.entries(tools).filter(([program]) => !which(program)).map(([, name]) => name))]

const apt = (args, progress) =>
  run('apt-get', ['-y', '-o', 'DPkg::Lock::Timeout=120', ...args], { progress, env: { DEBIAN_FRONTEND: 'noninteractive' } })

/** Install Debian packages as root. True when they are there afterwards. */
export async function installPackages(names, why) {
  if (!isRoot() || !which('apt-get')) return false
  await step(`installing ${names.join(' ')} (${why})`, async (progress) => {
    const install = () => apt(['install', '--no-install-recommends', ...names], progress)
    await install().catch(async () => {
      await apt(['update'], progress)
      await install()
    })
  })
  return true
}

async function buildToolsPresent() {
  const missing = missingPackages(buildTools)
  if (missing.length === 0 || await installPackages(missing, 'to build the native addon')) return
  throw new Refusal(`Building the native addon needs ${missing.join(', ')}. As root: apt-get install ${missing.join(' ')}`)
}

const readJson = (file) => JSON.parse(readFileSync(inRoot(file), 'utf8'))

/** Whether node_modules holds what the lock file says: npm leaves a lock file of its own in there to compare with. */
function dependenciesCurrent() {
  if (!existsSync(inRoot('node_modules/.package-lock.json'))) return false
  const wanted = readJson('package-lock.json').packages
  const found = readJson('node_modules/.package-lock.json').packages
  return Object.entries(wanted).every(([path, { version, link, optional, peer }]) => {
    if (!path.includes('node_modules/')) return true
    const have = found[path]
    return have ? link || have.version === version : optional || peer
  })
}

/**
 * `npm ci` refuses a lock file without the optional packages of other platforms, and registries that serve one platform
 * give no other. `install --no-save` takes versions and digests from the lock file too and leaves it as it is. Nothing here
 * needs a script of a dependency.
 */
async function dependencies() {
  if (dependenciesCurrent()) return
  await step('installing npm packages', (progress) =>
    run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=http'], {
      progress,
      hint: 'npm could not install the packages of package-lock.json. Is the package registry reachable? Try `npm ping`.',
    }).then(() => undefined))
}

async function native() {
  const files = [...filesBelow('native', (n) => /\.(cpp|cc|c|h|hpp|gyp|gypi)$/.test(n)), 'scripts/build-native.mjs'].filter((f) => existsSync(inRoot(f)))
  // Node-API: one build serves every version of Node.
  const print = fingerprint(files, process.arch)
  if (isCurrent('native', print) && existsSync(inRoot('native/build/Release'))) return
  await buildToolsPresent()
  await step('building the native addon', (progress) =>
    run(process.execPath, ['scripts/build-native.mjs', '--force'], { progress }).then(() => undefined))
  markCurrent('native', print)
}

async function typescript() {
  const sources = ['packages', 'native', 'examples'].flatMap((folder) => filesBelow(folder, (n) => /\.ts$|^(package|tsconfig)\.json$/.test(n)))
  const print = fingerprint([...sources, 'tsconfig.json', 'tsconfig.base.json', 'scripts/validators.mjs'])
  const built = existsSync(inRoot('packages/host/dist/cli.js'))
  if (built && isCurrent('typescript', print)) return
  await step('compiling TypeScript', (progress) =>
    run(process.execPath, ['node_modules/typescript/bin/tsc', '-b', ...(built ? [] : ['--force'])], { progress }).then(() => undefined))
  await run(process.execPath, ['scripts/validators.mjs'])
  markCurrent('typescript', print)
}

/** Everything that serving and testing need. */
export async function prepare() {
  checkNode()
  await dependencies()
  await native()
  await typescript()
}
