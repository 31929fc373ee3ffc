import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Roots } from '../kernel'

export interface TreeDevice {
  readonly minor: number
  readonly device: string
  readonly cfgstring: string
  readonly hba?: number
  /** Default 1 MiB. */
  readonly sizeBytes?: number
  /** Default 512. */
  readonly blockSize?: number
  readonly maxSectors?: number
  readonly writeCache?: 0 | 1
  readonly serial?: string
  /** Default 4096 + 1 MiB. */
  readonly mapBytes?: number
}

/** Folders that look like /sys, /dev and configfs with target_core_user loaded, in a temporary place. */
export class KernelTree {
  readonly root = mkdtempSync(join(tmpdir(), 'tcmu-tree-'))
  readonly roots: Roots = { sys: join(this.root, 'sys'), dev: join(this.root, 'dev'), configfs: join(this.root, 'config'), run: join(this.root, 'run') }

  constructor() {
    for (const folder of [join(this.roots.sys, 'class/uio'), this.roots.dev, join(this.roots.configfs, 'target/core')]) mkdirSync(folder, { recursive: true })
    this.write(join(this.roots.sys, 'module/target_core_user/parameters/block_netlink'), 'unblocked\n')
    this.write(join(this.roots.sys, 'module/target_core_user/parameters/reset_netlink'), '')
  }

  private write(path: string, text: string): void {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }

  /** Folder of a device in configfs. */
  folder(d: Pick<TreeDevice, 'device' | 'hba'>): string {
    return join(this.roots.configfs, 'target/core', `user_${d.hba ?? 0}`, d.device)
  }

  /** The UIO name. */
  name(d: TreeDevice): string {
    return `tcm-user/${d.hba ?? 0}/${d.device}/${d.cfgstring}`
  }

  add(d: TreeDevice): string {
    const uio = join(this.roots.sys, 'class/uio', `uio${d.minor}`)
    this.write(join(uio, 'name'), `${this.name(d)}\n`)
    this.write(join(uio, 'maps/map0/size'), `0x${(d.mapBytes ?? 4096 + 2 ** 20).toString(16).padStart(16, '0')}\n`)
    const files: Readonly<Record<string, string>> = {
      'attrib/hw_block_size': `${d.blockSize ?? 512}\n`, 'attrib/dev_size': `${d.sizeBytes ?? 2 ** 20}\n`, 'attrib/hw_max_sectors': `${d.maxSectors ?? 128}\n`,
      'attrib/emulate_write_cache': `${d.writeCache ?? 0}\n`, 'attrib/tmr_notification': '0\n', 'action/block_dev': 'unblocked\n', 'action/reset_ring': '',
      control: '', 'wwn/vpd_unit_serial': `T10 VPD Unit Serial Number: ${d.serial ?? ''}\n`,
    }
    for (const [file, text] of Object.entries(files)) this.write(join(this.folder(d), file), text)
    return this.name(d)
  }

  /** Text of a device's file as it was written last. */
  read(d: Pick<TreeDevice, 'device' | 'hba'>, file: string): string {
    return readFileSync(join(this.folder(d), file), 'utf8').split('\n', 1).join()
  }
  set(d: Pick<TreeDevice, 'device' | 'hba'>, file: string, text: string): void {
    writeFileSync(join(this.folder(d), file), text)
  }
  parameter(name: string): string {
    return readFileSync(join(this.roots.sys, 'module/target_core_user/parameters', name), 'utf8')
  }

  remove(d: TreeDevice): void {
    rmSync(join(this.roots.sys, 'class/uio', `uio${d.minor}`), { recursive: true })
    rmSync(this.folder(d), { recursive: true })
  }

  close(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}
