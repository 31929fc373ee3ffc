#!/usr/bin/env node
// `npm test`: set up, check types and style, run every jest project. Last line: `N passed, N failed, N skipped`.
//   npm test -- --project iscsi [--project unit]   only these projects        npm test -- --quick   no sockets, no fuzzing
//   anything else is handed to jest, e.g. npm test -- test/iscsi/tools.test.ts
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import {
  cacheFile, command, filesBelow, fingerprint, inRoot, isCurrent, isRoot, markCurrent, Refusal, run, runAttached, step,
} from './lib.mjs'
import { kernelTools } from './kernel-vm.mjs'
import { checkNode, installPackages, missingPackages, prepare } from './setup.mjs'

/** Programs that tests call, and the Debian package of each. */
const testTools = {
  'dbus-daemon': 'dbus-daemon', gdbus: 'libglib2.0-bin', 'dbus-monitor': 'dbus-bin', logrotate: 'logrotate', shellcheck: 'shellcheck', 'iscsi-test-cu': 'libiscsi-bin', 'iscsi-ls': 'libiscsi-bin', 'qemu-img': 'qemu-utils', 'qemu-io': 'qemu-utils',
  genisoimage: 'genisoimage', xorriso: 'xorriso', 'ceph-mon': 'ceph-mon', 'ceph-osd': 'ceph-osd', rbd: 'ceph-common', glusterd: 'glusterfs-server', gluster: 'glusterfs-cli',
  ...(process.arch === 'x64' ? kernelTools : {}),
}
/** QEMU's iSCSI initiator is a module of its own package, which qemu-utils only recommends. */
const qemuModule = { folder: '/usr/lib', name: 'qemu/block-iscsi.so', package: 'qemu-block-extra' }
/** Its tests boot virtual machines, which want the processors for themselves: after all others, two machines at a time. */
const lastProject = 'kernel'
/** A machine has two processors, and mostly uses one. */
const VMS_AT_ONCE = Math.max(1, Math.min(2, availableParallelism()))
/** GLib's own clients of D-Bus, for Debian's interpreter: no command tells whether it is there. */
const pythonModule = { path: '/usr/lib/python3/dist-packages/gi/__init__.py', package: 'python3-gi' }
const quickProjects = ['unit', 'scsi', 'plugins', 'abi']

export function parseArguments(args) {
  const projects = []
  const rest = []
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--quick') projects.push(...quickProjects)
    else if (args[i].startsWith('--project=')) projects.push(args[i].slice('--project='.length))
    else if (args[i] === '--project') {
      if (args[i + 1] === undefined) throw new Refusal('--project needs the name of a jest project, e.g. --project iscsi')
      projects.push(args[++i])
    } else rest.push(args[i])
  }
  return { projects, rest }
}

const hasQemuModule = () => ['', ...readdirSync(qemuModule.folder)].some((f) => existsSync(join(qemuModule.folder, f, qemuModule.name)))

const missingTools = () => [...missingPackages(testTools), ...(hasQemuModule() ? [] : [qemuModule.package]), ...(existsSync(pythonModule.path) ? [] : [pythonModule.package])]

async function tools() {
  const wanted = missingTools()
  if (wanted.length === 0) return
  await installPackages(wanted, 'real initiators for the tests').catch((error) => process.stdout.write(`${error.message}\n`))
  const missing = missingTools()
  if (missing.length === 0) return
  const how = isRoot() ? 'could not be installed here' : `not installed; as root: apt-get install ${missing.join(' ')}`
  process.stdout.write(`! ${missing.join(', ')} ${how}. Tests that need them are skipped by name.\n`)
}

/** A check that counts as one test; nothing is run again over files that passed it. */
async function check(name, title, args) {
  const files = [...['packages', 'native', 'examples', 'test'].flatMap((f) => filesBelow(f, (n) => n.endsWith('.ts'))), ...filesBelow('docs/api', () => true), 'scripts/api.mjs', 'packages/host/package.json']
  const settings = ['eslint.config.mjs', 'tsconfig.base.json', 'tsconfig.eslint.json', 'package-lock.json']
  const print = fingerprint([...files, ...settings], process.version)
  if (isCurrent(name, print)) return true
  try {
    await step(title, (progress) => run(process.execPath, args, { progress }).then(() => undefined))
    markCurrent(name, print)
    return true
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    process.stdout.write(`${error.message}\n`)
    return false
  }
}

const nothing = { passed: 0, failed: 0, skipped: [], failures: [] }

async function jestRun(rest, selection, workers) {
  const report = cacheFile('jest-report.json')
  rmSync(report, { force: true })
  const code = await runAttached(process.execPath, [
    'node_modules/jest/bin/jest.js', ...rest, `--maxWorkers=${workers}`, '--passWithNoTests',
    '--reporters=default', '--reporters=<rootDir>/scripts/jest-reporter.cjs', '--testSequencer=<rootDir>/scripts/jest-sequencer.cjs',
    ...selection,
  ], { env: { TCMU_JEST_REPORT: report } })
  if (existsSync(report)) return JSON.parse(readFileSync(report, 'utf8'))
  if (code === 0) return nothing
  process.stdout.write('✗ jest ended without a report\n')
  return { ...nothing, failed: 1, failures: ['jest ended without a report'] }
}

async function jest({ projects, rest }) {
  const wanted = projects.length === 0 || projects.includes(lastProject)
  const others = projects.filter((p) => p !== lastProject)
  const runs = []
  if (projects.length === 0 || others.length > 0) {
    runs.push(await jestRun(rest, others.length ? ['--selectProjects', ...others] : ['--ignoreProjects', lastProject], Math.max(2, availableParallelism())))
  }
  if (wanted) runs.push(await jestRun(rest, ['--selectProjects', lastProject], VMS_AT_ONCE))
  return {
    passed: runs.reduce((n, r) => n + r.passed, 0),
    failed: runs.reduce((n, r) => n + r.failed, 0),
    skipped: runs.flatMap((r) => r.skipped),
    failures: runs.flatMap((r) => r.failures),
  }
}

/** Skipped tests by reason, the most frequent last, so that it stands next to the closing line. */
function listSkipped(skipped) {
  const byReason = Map.groupBy?.(skipped, (s) => s.reason) ?? skipped.reduce((m, s) => m.set(s.reason, [...(m.get(s.reason) ?? []), s]), new Map())
  for (const [reason, tests] of [...byReason].sort((a, b) => a[1].length - b[1].length)) {
    process.stdout.write(`- skipped: ${reason}\n${tests.map((t) => `    ${t.name}\n`).join('')}`)
  }
}

command(async () => {
  const began = performance.now()
  checkNode()
  const asked = parseArguments(process.argv.slice(2))
  await tools()
  await prepare()
  const checks = [
    ['types', 'checking types, tests included', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.eslint.json']],
    ['api', 'comparing the SDK with docs/api', ['scripts/api.mjs', '--check']],
    ['lint', 'eslint', ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings=0']],
  ]
  const failedChecks = []
  for (const [name, title, args] of checks) if (!await check(name, title, args)) failedChecks.push(title)
  const report = await jest(asked)
  listSkipped(report.skipped)
  const failures = [...failedChecks, ...report.failures]
  for (const failure of failures) process.stdout.write(`✗ ${failure}\n`)
  const passed = report.passed + checks.length - failedChecks.length
  const failed = report.failed + failedChecks.length
  process.stdout.write(`in ${((performance.now() - began) / 1000).toFixed(0)} s\n`)
  process.stdout.write(`${passed} passed, ${failed} failed, ${report.skipped.length} skipped\n`)
  return failed > 0 || report.passed === 0 ? 1 : 0
})
