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
  /** Seconds; default 30. */
  readonly commandTimeout?: number
  /** Default 4096 + 1 MiB. */
  readonly mapBytes?: number
}

const supports = ['active_optimized', 'active_nonoptimized', 'standby', 'unavailable', 'lba_dependent', 'offline', 'transitioning'] as const

export interface TreeGroup {
  readonly id: number
  readonly state?: number
  readonly status?: string
  readonly type?: string
  readonly preferred?: 0 | 1
  readonly transitionSeconds?: number
  /** \`FABRIC/WWN/tpgt_N/lun_M\` */
  readonly members?: readonly string[]
  /** States that it does not have. */
  readonly lacks?: readonly (typeof supports)[number][]
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
      'attrib/cmd_time_out': `${d.commandTimeout ?? 30}\n`, 'attrib/qfull_time_out': '-1\n', 'alua/default_tg_pt_gp/tg_pt_gp_id': '0\n',
      control: '', 'wwn/vpd_unit_serial': `T10 VPD Unit Serial Number: ${d.serial ?? ''}\n`,
    }
    for (const [file, text] of Object.entries(files)) this.write(join(this.folder(d), file), text)
    return this.name(d)
  }

  /** A target port group of a device, as an administrator makes it. */
  addGroup(d: Pick<TreeDevice, 'device' | 'hba'>, name: string, g: TreeGroup): void {
    const at = (file: string): string => join(this.folder(d), 'alua', name, file)
    const files: Readonly<Record<string, string>> = {
      tg_pt_gp_id: `${g.id}\n`, alua_access_state: `${g.state ?? 0}\n`, alua_access_status: `${g.status ?? 'None'}\n`, alua_access_type: `${g.type ?? 'Implicit and Explicit'}\n`,
      preferred: `${g.preferred ?? 0}\n`, implicit_trans_secs: `${g.transitionSeconds ?? 0}\n`, members: (g.members ?? []).map((m) => `${m}\n\0`).join(''),
    }
    for (const [file, text] of Object.entries(files)) this.write(at(file), text)
    for (const support of supports) this.write(at(`alua_support_${support}`), (g.lacks ?? []).includes(support) ? '0\n' : '1\n')
  }

  /** A LUN of a target portal group: \`iscsi/WWN/tpgt_N/lun_M\`. Gives the folder of the portal group. */
  addPort(path: string, p: { enabled?: 0 | 1; relativePort?: number; protocol?: number } = {}): string {
    const [fabric, wwn, tpg, lun] = path.split('/') as [string, string, string, string]
    const folder = join(this.roots.configfs, 'target', fabric, wwn, tpg)
    if (p.enabled !== undefined) this.write(join(folder, 'enable'), `${p.enabled}\n`)
    this.write(join(folder, 'lun', lun, 'statistics/scsi_port/indx'), `${p.relativePort ?? 1}\n`)
    if (p.protocol !== undefined) this.write(join(folder, 'lun', lun, 'statistics/scsi_transport/proto_id'), `${p.protocol}\n`)
    return folder
  }

  /** Text of a device's file as it was written last. */
  read(d: Pick<TreeDevice, 'device' | 'hba'>, file: string): string {
    return readFileSync(join(this.folder(d), file), 'utf8').split('\n', 1).join()
  }
  set(d: Pick<TreeDevice, 'device' | 'hba'>, file: string, text: string): void {
    writeFileSync(join(this.folder(d), file), text)
  }
  /** Text of a file of a folder that was made here. */
  text(folder: string, file: string): string {
    return readFileSync(join(folder, file), 'utf8').trim()
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
