import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { inRepository } from '../lib/repository'
import { until } from '../lib/run'

/** Neither gone nor a zombie, which it may stay for a while: who takes in orphans need not hurry. */
const alive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('a process that asked for it ends with its parent, whatever it is doing', async () => {
  const core = `require(${JSON.stringify(inRepository('native/dist/index.js'))}).loadCore()`
  const child = `${core}.endWithParent(); console.log(process.pid); for (;;);`
  const parent = spawn(process.execPath, ['-e', `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { stdio: 'inherit' })`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(said.toString())
  expect(alive(pid)).toBe(true)
  parent.kill('SIGKILL')
  await until(() => !alive(pid), 'it ends')
})
