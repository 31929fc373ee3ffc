// What the jest project `kernel` boots: an image of Debian packages, made once, and the built project, packed anew when it changed.
// It is that project's `globalSetup` too, so that `npx jest --selectProjects kernel` runs what is in the working tree.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { cacheFile, fingerprint, inRoot, isCurrent, markCurrent, Refusal, root, run, step, which } from './lib.mjs'
import { missingPackages, prepare } from './setup.mjs'

/** Programs that image.sh and booting need, and the Debian package of each. */
export const kernelTools = {
  'qemu-system-x86_64': 'qemu-system-x86', 'mkfs.erofs': 'erofs-utils', cpio: 'cpio', depmod: 'kmod', modprobe: 'kmod', strip: 'binutils', python3: 'python3',
}
const recipe = ['image.sh', 'init.sh', 'early-init.sh'].map((f) => `test/kernel/${f}`)
const folder = cacheFile('kernel')
const inFolder = (...parts) => join(folder, ...parts)
/** Nothing else of an npm package is ever loaded. */
const loadable = /\.(c?js|mjs|json|node)$/

/** Whether images can be made here: Debian on x86-64, and the tools. */
export const canMakeKernelVm = () => process.arch === 'x64' && which('apt-get') !== undefined && missingPackages(kernelTools).length === 0

async function image() {
  const print = fingerprint(recipe, process.arch)
  const there = ['vmlinux', 'initrd', 'root.img'].every((f) => existsSync(inFolder(f)))
  if (there && isCurrent('kernel-image', print)) return
  await step('making the image of a virtual machine from Debian packages', (progress) =>
    run('bash', [inRoot('test/kernel/image.sh'), folder], { progress, hint: 'Is a Debian mirror reachable? Try `apt-get update`.' }).then(() => undefined))
  markCurrent('kernel-image', print)
}

/** Where Node would find the package `name` from `from`; undefined when it is not installed. */
function resolvePackage(name, from) {
  for (let at = from; ; at = dirname(at)) {
    const path = join(at, 'node_modules', name)
    if (existsSync(join(path, 'package.json'))) return path
    if (at === root || at === dirname(at)) return undefined
  }
}

/** Folders of packages that the workspaces need at run time, links to workspaces among them, relative to the repository. */
function runtimePackages(workspaces) {
  const found = new Set()
  const visit = (path) => {
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const at = resolvePackage(name, path)
      if (at === undefined || found.has(at)) continue
      found.add(at)
      visit(realpathSync(at))
    }
  }
  workspaces.forEach(visit)
  return [...found]
}

const copy = (from, to, wanted) => cpSync(from, to, {
  recursive: true,
  filter: (path) => statSync(path).isDirectory() ? !path.slice(from.length).includes('/node_modules') : wanted(path),
})

/** The project as it would be installed below /opt/tcmu, with this machine's Node. */
function stage(to) {
  const workspaces = [...readdirSync(inRoot('packages')).map((name) => inRoot('packages', name)), inRoot('native')].filter((f) => existsSync(join(f, 'package.json')))
  const here = (path) => join(to, relative(root, path))
  for (const workspace of workspaces) {
    for (const part of ['package.json', 'dist', 'files', 'man', 'build/Release/tcmu_core.node', 'build/Release/tcmu_rbd.node', 'build/Release/tcmu_glfs.node']) {
      if (existsSync(join(workspace, part))) copy(join(workspace, part), here(join(workspace, part)), (p) => !/\.(d\.ts|map|tsbuildinfo)$/.test(p))
    }
  }
  for (const path of runtimePackages(workspaces)) {
    const real = realpathSync(path)
    if (!workspaces.includes(real)) copy(path, here(path), (p) => loadable.test(p))
    else {
      mkdirSync(dirname(here(path)), { recursive: true })
      symlinkSync(relative(dirname(path), real), here(path))
    }
  }
  for (const part of ['test/fixtures', 'test/kernel', 'test/docs-examples/ram']) copy(inRoot(part), join(to, part), () => true)
  mkdirSync(join(to, 'bin'))
  cpSync(process.execPath, join(to, 'bin/node'))
  writeFileSync(join(to, 'bin/tcmu-host'), '#!/bin/sh\nexec /opt/tcmu/bin/node /opt/tcmu/packages/host/dist/cli.js "$@"\n', { mode: 0o755 })
}

async function bundle() {
  const work = mkdtempSync(inFolder('bundle.'))
  try {
    const tree = join(work, 'tree')
    mkdirSync(tree)
    stage(tree)
    await run('mkfs.erofs', ['-T0', '--all-root', join(work, 'img'), tree])
    renameSync(join(work, 'img'), inFolder('bundle.img'))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

export async function makeKernelImage() {
  mkdirSync(folder, { recursive: true })
  await image()
}

/** jest's globalSetup. Without the tools nothing is made, and the tests skip by name. */
export default async function setup() {
  if (!canMakeKernelVm()) return
  await prepare()
  try {
    await makeKernelImage()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    process.stdout.write(`${error.message}\n`)
    return
  }
  await step('packing the project for the virtual machine', bundle)
}
