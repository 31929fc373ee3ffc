#!/usr/bin/env node
// `npm start`: set up what is missing, then serve one 64 MiB LUN kept under ./var/ to iSCSI initiators on this machine.
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { command, inRoot, Refusal, shown } from './lib.mjs'
import { missingPackages, prepare } from './setup.mjs'

const DEFAULT_PORT = 3260
const SECOND_SIGNAL_MS = 1000
const tourTools = { 'iscsi-ls': 'libiscsi-bin', 'qemu-img': 'qemu-utils qemu-block-extra' }

const valueOf = (args, flag) => {
  const at = args.findIndex((a) => a === flag || a.startsWith(`${flag}=`))
  if (at < 0) return undefined
  return args[at] === flag ? args[at + 1] : args[at].slice(flag.length + 1)
}

/** What `serve` is called with: what the person asked for, and the demonstration LUN where nothing was asked. */
export function serveArguments(asked, env) {
  const args = [...asked]
  if (valueOf(args, '--portal') === undefined) args.push('--portal', `127.0.0.1:${env.PORT ?? DEFAULT_PORT}`)
  if (valueOf(args, '--lun') === undefined) {
    args.push('--lun', `name=demo,size=64M,cfgstring=file/${inRoot('var', 'demo.img')}`)
  }
  return args
}

/** Whether somebody listens there already. A port of 0 is never taken. */
const answers = (host, port) => new Promise((resolve) => {
  const socket = createConnection({ host, port, timeout: 1000 })
  const end = (taken) => () => {
    socket.destroy()
    resolve(taken)
  }
  socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false))
})

async function refuseTakenPort(portal) {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(portal) ?? []
  if (!port || Number(port) === 0 || !await answers(host, Number(port))) return
  const next = Number(port) + 1
  throw new Refusal(
    `${portal} is taken: something else listens there (an earlier \`npm start\`, or another iSCSI target).\n` +
    `Stop it (\`ss -ltnp sport = :${port}\` names it), or use another port: PORT=${next} npm start`)
}

function tour(url) {
  const { host, pathname } = new URL(url.replace(/^iscsi:/, 'http:'))
  const missing = missingPackages(tourTools)
  const lines = [
    '', 'Serving. Now, in another terminal:', '',
    ...(missing.length ? [`  apt-get install ${missing.join(' ')}                # once, for the tools below`] : []),
    `  iscsi-ls -s iscsi://${host}                     # targets and LUNs`,
    `  iscsi-inq ${url}`,
    `  iscsi-readcapacity16 ${url}`,
    `  qemu-io -f raw -c 'write -P 0x5a 0 1M' -c flush -c 'read -P 0x5a 0 1M' ${url}`,
    `  qemu-img convert -n -f raw -O raw some.img ${url}     # an image of at most 64 MiB`,
    '', `The LUN ${pathname.slice(1)} is kept in ${shown(inRoot('var', 'demo.img'))}. Ctrl-C stops the host; what was flushed stays.`, '',
  ]
  process.stdout.write(lines.join('\n') + '\n')
}

/**
 * The host runs in a process group of its own: a terminal's Ctrl-C then reaches only us, and the host gets exactly one
 * signal although npm passes on a second one.
 */
function passSignals(child) {
  let last = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      const now = performance.now()
      if (last && now - last < SECOND_SIGNAL_MS) return
      last = now
      child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal)
    })
  }
  process.on('exit', () => child.exitCode === null && child.kill('SIGTERM'))
}

/** The host logs JSON lines for machines; here a person reads. */
function readable(line) {
  try {
    const { level, msg } = JSON.parse(line)
    return msg === undefined ? line : level === 'info' ? msg : `${level}: ${msg}`
  } catch {
    return line
  }
}

const serve = (args) => new Promise((resolve, reject) => {
  const child = spawn(process.execPath, [inRoot('packages/host/dist/cli.js'), 'serve', ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  passSignals(child)
  createInterface({ input: child.stdout }).on('line', (line) => {
    process.stdout.write(`${line}\n`)
    const url = /^ready (iscsi:\S+)/.exec(line)?.[1]
    if (url) tour(url)
  })
  createInterface({ input: child.stderr }).on('line', (line) => process.stderr.write(`${readable(line)}\n`))
  child.on('error', reject)
  child.on('close', (code, signal) => resolve(signal ? 1 : code))
})

command(async () => {
  const args = serveArguments(process.argv.slice(2), process.env)
  if (!args.includes('--help')) await refuseTakenPort(valueOf(args, '--portal'))
  await prepare()
  mkdirSync(inRoot('var'), { recursive: true })
  return serve(args)
})
