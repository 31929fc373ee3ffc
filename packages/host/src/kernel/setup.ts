import { execFile } from 'node:child_process'
import { mkdir, open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { reasonOf, tcmuError } from '../errors'
import { exists, type Roots, setParameter } from './configfs'

const MODULE = 'target_core_user'
const MODPROBE_MS = 30_000

/** Runs a program without a shell; rejects when it fails. */
export type Execute = (file: string, args: readonly string[]) => Promise<unknown>
const execute: Execute = (file, args) => promisify(execFile)(file, [...args], { timeout: MODPROBE_MS, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } })

const moduleFolder = (roots: Roots): string => join(roots.sys, 'module', MODULE)
const targetFolder = (roots: Roots): string => join(roots.configfs, 'target')

export interface Usable {
  readonly usable: boolean
  readonly why: string
}

/** Whether this process can serve the kernel's devices here. */
export async function tcmuUsable(roots: Roots, uid: number | undefined, run: Execute = execute): Promise<Usable> {
  if (uid !== 0) return { usable: false, why: 'the kernel front end takes root' }
  if (await exists(moduleFolder(roots))) {
    const mounted = await exists(targetFolder(roots))
    return mounted ? { usable: true, why: `${MODULE} is there` } : { usable: false, why: `${MODULE} is there, but ${targetFolder(roots)} is not (configfs is not mounted)` }
  }
  try {
    await run('modprobe', ['--dry-run', '--quiet', MODULE])
    return { usable: true, why: `${MODULE} can be loaded` }
  } catch {
    return { usable: false, why: `this kernel has no ${MODULE}` }
  }
}

/** What the kernel front end does to the machine before and after it serves: lock, module, netlink block. */
export class KernelSetup {
  private lockHandle: FileHandle | undefined
  private blocked = false

  constructor(private readonly roots: Roots, private readonly lockFile: (fd: number) => boolean, private readonly run: Execute = execute) {}

  /** Be the only TCMU daemon; the C daemon respects the same file. Rejects with E_ALREADY_RUNNING. */
  async lock(): Promise<void> {
    const path = join(this.roots.run, 'tcmu.lock')
    await mkdir(this.roots.run, { recursive: true })
    const handle = await open(path, 'a+', 0o600)
    if (!this.lockFile(handle.fd)) {
      await handle.close()
      throw tcmuError('E_ALREADY_RUNNING', { path })
    }
    this.lockHandle = handle
  }

  /** The file stays, the lock goes. */
  async unlock(): Promise<void> {
    await this.lockHandle?.close()
    this.lockHandle = undefined
  }

  /** Have target_core_user. Rejects with E_KERNEL_MODULE. */
  async loadModule(): Promise<void> {
    if (!(await exists(moduleFolder(this.roots)))) {
      try {
        await this.run('modprobe', [MODULE])
      } catch (e) {
        throw tcmuError('E_KERNEL_MODULE', { module: MODULE, reason: reasonOf(e) }, { cause: e })
      }
    }
    if (!(await exists(targetFolder(this.roots)))) throw tcmuError('E_CONFIGFS', { path: this.roots.configfs, folder: targetFolder(this.roots) })
  }

  /** While devices are taken over the kernel refuses to make others, and forgets whom a former daemon left waiting. */
  async blockNetlink(): Promise<void> {
    this.blocked = await setParameter(this.roots, 'block_netlink', 1)
    if (this.blocked) await setParameter(this.roots, 'reset_netlink', 1)
  }

  /** Twice is fine. */
  async unblockNetlink(): Promise<void> {
    if (!this.blocked) return
    await setParameter(this.roots, 'block_netlink', 0)
    this.blocked = false
  }
}
