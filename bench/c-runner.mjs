// Debian's tcmu-runner as the peer: installed, or its packages unpacked into a folder (nothing is installed).
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
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
    copyFileSync(join(handlersBelow(this.runner.root), `handler_${handler}.so`), join(folder, `handler_${handler}.so`))
    const libraries = ['usr/lib', 'lib'].map((f) => join(this.runner.root, f)).filter(existsSync).flatMap((f) => readdirSync(f).filter((n) => n.includes('-linux-')).map((n) => join(f, n)))
    const env = { DBUS_SYSTEM_BUS_ADDRESS: this.address, ...(this.runner.root !== '/' && { LD_LIBRARY_PATH: libraries.join(':') }) }
    return { name, cfgstring, command: this.runner.command, args: ['--handler-path', folder, '-l', this.folder], env }
  }

  close() {
    this.bus.kill('SIGTERM')
    rmSync(this.folder, { recursive: true, force: true })
  }
}
