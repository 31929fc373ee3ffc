import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { KernelTree } from '../testing'
import { KernelSetup, tcmuUsable } from './setup'

const trees: KernelTree[] = []
const tree = (): KernelTree => {
  const t = new KernelTree()
  trees.push(t)
  return t
}
afterEach(() => trees.splice(0).forEach((t) => t.close()))
const withoutModule = (): KernelTree => {
  const t = tree()
  rmSync(join(t.roots.sys, 'module'), { recursive: true })
  return t
}
const fails = () => Promise.reject(new Error('modprobe: FATAL: Module target_core_user not found'))

test('one daemon at a time, until it lets go', async () => {
  const { roots } = tree()
  let taken = false
  const lock = (): boolean => !taken && (taken = true)
  const first = new KernelSetup(roots, lock)
  await first.lock()
  expect(statSync(join(roots.run, 'tcmu.lock')).mode & 0o777).toBe(0o600)
  await expect(new KernelSetup(roots, lock).lock()).rejects.toThrow(/^E_ALREADY_RUNNING: another TCMU daemon runs here: it holds .*tcmu\.lock/)
  await first.unlock()
})

test('netlink is blocked, reset and freed; an old kernel has nothing to block', async () => {
  const t = tree()
  const setup = new KernelSetup(t.roots, () => true)
  await setup.blockNetlink()
  expect([t.parameter('block_netlink'), t.parameter('reset_netlink')]).toEqual(['1', '1'])
  await setup.unblockNetlink()
  expect(t.parameter('block_netlink')).toBe('0')
  const old = withoutModule()
  const nothing = new KernelSetup(old.roots, () => true)
  await nothing.blockNetlink()
  await nothing.unblockNetlink()
  expect(() => old.parameter('block_netlink')).toThrow(/ENOENT/)
})

test('the module is loaded when it is missing, without a shell', async () => {
  const calls: string[][] = []
  const run = async (file: string, args: readonly string[]): Promise<void> => void calls.push([file, ...args])
  await new KernelSetup(tree().roots, () => true, run).loadModule()
  expect(calls).toEqual([])
  await new KernelSetup(withoutModule().roots, () => true, run).loadModule()
  expect(calls).toEqual([['modprobe', 'target_core_user']])
  await expect(new KernelSetup(withoutModule().roots, () => true, fails).loadModule()).rejects.toThrow(/^E_KERNEL_MODULE: .*not found/)
  const bare = tree()
  rmSync(bare.roots.configfs, { recursive: true })
  await expect(new KernelSetup(bare.roots, () => true).loadModule()).rejects.toThrow(/^E_CONFIGFS: .*Mount configfs/)
})

test('whether the kernel can be served, and why', async () => {
  const works = () => Promise.resolve()
  const bare = tree()
  rmSync(bare.roots.configfs, { recursive: true })
  expect(await tcmuUsable(tree().roots, 1000)).toEqual({ usable: false, why: 'the kernel front end takes root' })
  expect(await tcmuUsable(tree().roots, 0, fails)).toEqual({ usable: true, why: 'target_core_user is there' })
  expect((await tcmuUsable(bare.roots, 0, fails)).why).toMatch(/configfs is not mounted/)
  expect(await tcmuUsable(withoutModule().roots, 0, works)).toEqual({ usable: true, why: 'target_core_user can be loaded' })
  expect(await tcmuUsable(withoutModule().roots, 0, fails)).toEqual({ usable: false, why: 'this kernel has no target_core_user' })
})
