// Debian's tcmu-runner as the peer: installed, or its packages unpacked into a folder (nothing is installed).
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot, which } from '../scripts/lib.mjs'
import { atExit, temporaryFolder } from './places.mjs'

const PACKAGES = ['tcmu-runner', 'libtcmu2', 'libnl-3-200', 'libnl-genl-3-200', 'libkmod2', 'libglib2.0-0']
const unpacked = inRoot('node_modules/.cache/tcmu/bench/tcmu-runner')
const quietly = { stdio: ['ignore', 'ignore', 'pipe'] }

function unpack() {
  if (existsSync(join(unpacked, 'usr/bin/tcmu-runner'))) return
  const folder = temporaryFolder()
  try {
    execFileSync('apt-get', ['download', ...PACKAGES], { ...quietly, cwd: folder })
    mkdirSync(unpacked, { recursive: true })
    for (const file of readdirSync(folder)) execFileSync('dpkg', ['-x', join(folder, file), unpacked], quietly)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const sourceHandler = inRoot('node_modules/.cache/tcmu/bench/handler_file.so')

/** What apt knows of, as its sources are listed: packages of source code. */
function sourceLists(folder) {
  const parts = '/etc/apt/sources.list.d'
  const named = existsSync(parts) ? readdirSync(parts).map((f) => join(parts, f)) : []
  for (const [i, file] of ['/etc/apt/sources.list', ...named].filter((f) => existsSync(f) && /\.(list|sources)$/.test(f)).entries()) {
    const text = readFileSync(file, 'utf8')
    if (file.endsWith('.sources')) writeFileSync(join(folder, `${i}.sources`), text.replace(/^Types:.*/gm, 'Types: deb-src'))
    else writeFileSync(join(folder, `${i}.list`), text.replace(/^deb /gm, 'deb-src '))
  }
}

/** The runner's own file handler, which Debian's package leaves out, compiled from Debian's source package; nothing is installed. */
function compileFileHandler() {
  if (existsSync(sourceHandler)) return
  const folder = temporaryFolder()
  const at = (name) => join(folder, name)
  try {
    for (const name of ['sources', 'lists', 'lists/partial', 'code', 'no-glib']) mkdirSync(at(name))
    writeFileSync(at('none.list'), '')
    sourceLists(at('sources'))
    const apt = ['-o', `Dir::Etc::sourcelist=${at('none.list')}`, '-o', `Dir::Etc::sourceparts=${at('sources')}`, '-o', `Dir::State::lists=${at('lists')}`]
    execFileSync('apt-get', [...apt, 'update'], quietly)
    execFileSync('apt-get', [...apt, 'source', '--download-only', 'tcmu'], { ...quietly, cwd: folder })
    const archive = readdirSync(folder).find((f) => f.includes('.orig.tar'))
    execFileSync('tar', ['xf', at(archive), '-C', at('code'), '--strip-components=1'], quietly)
    writeFileSync(at('no-glib/glib.h'), '')
    execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-D_GNU_SOURCE', '-w', '-I.', '-Iccan', `-I${at('no-glib')}`, '-o', sourceHandler, 'file_example.c'], { ...quietly, cwd: at('code') })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** True, or a sentence that says why there is no file handler of the runner's to compare with. */
export function findFileHandler() {
  try {
    compileFileHandler()
    return true
  } catch (error) {
    return `no file handler of tcmu-runner: ${String(error.stderr ?? error.message).trim().split('\n').at(-1)}`
  }
}

/** Where its handlers are below `root`: a folder per architecture. */
function handlersBelow(root) {
  const libraries = join(root, 'usr/lib')
  return readdirSync(libraries).map((f) => join(libraries, f, 'tcmu-runner')).find((f) => existsSync(f))
}

/** { command, root }, or a sentence that says why there is none. */
export function findRunner() {
  if (!which('dbus-daemon')) return 'no tcmu-runner to compare with: needs dbus-daemon; apt-get install dbus-daemon'
  if (which('tcmu-runner') && handlersBelow('/')) return { command: which('tcmu-runner'), root: '/' }
  try {
    unpack()
    return { command: join(unpacked, 'usr/bin/tcmu-runner'), root: unpacked }
  } catch (error) {
    return `no tcmu-runner to compare with: ${String(error.stderr ?? error.message).trim().split('\n').at(-1)}`
  }
}

const busConfiguration = (socket) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=${socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow user="*"/></policy></busconfig>
`

/** What its daemons need to run: a bus of their own, a folder with one handler each. */
export class RunnerPlace {
  constructor(runner) {
    this.runner = runner
    this.folder = temporaryFolder()
    const socket = join(this.folder, 'bus')
    writeFileSync(join(this.folder, 'bus.conf'), busConfiguration(socket))
    this.bus = spawn(which('dbus-daemon'), [`--config-file=${join(this.folder, 'bus.conf')}`, '--nofork'], { stdio: 'ignore' })
    this.address = `unix:path=${socket}`
    atExit(() => this.bus.kill('SIGTERM'))
  }

  /** As Ring.start takes it; `handler` is the middle of handler_NAME.so. */
  daemon(name, handler, cfgstring) {
    const folder = join(this.folder, handler)
    mkdirSync(folder, { recursive: true })
    const own = handler === 'file' ? sourceHandler : join(handlersBelow(this.runner.root), `handler_${handler}.so`)
    copyFileSync(own, join(folder, `handler_${handler}.so`))
    const libraries = ['usr/lib', 'lib'].map((f) => join(this.runner.root, f)).filter(existsSync).flatMap((f) => readdirSync(f).filter((n) => n.includes('-linux-')).map((n) => join(f, n)))
    const env = { DBUS_SYSTEM_BUS_ADDRESS: this.address, ...(this.runner.root !== '/' && { LD_LIBRARY_PATH: libraries.join(':') }) }
    return { name, cfgstring, command: this.runner.command, args: ['--handler-path', folder, '-l', this.folder], env }
  }

  close() {
    this.bus.kill('SIGTERM')
    rmSync(this.folder, { recursive: true, force: true })
  }
}
