import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inRepository } from '../lib/repository'
import { type Lack, requires } from '../lib/requires'
import { until } from '../lib/run'

const image = inRepository('node_modules/.cache/tcmu/kernel')
/** QEMU's user networking: the guest reaches the host's loopback by this address. */
export const HOST = '10.0.2.2'
const RUN_MS = 300_000

export const requiresKernelVm = (): Lack => requires.all(
  requires.command('qemu-system-x86_64', 'qemu-system-x86'),
  ['vmlinux', 'initrd'].every((f) => existsSync(join(image, f))) ? undefined : 'needs the image of a VM; run test/kernel/image.sh',
)

/** What every script begins with: `step` runs a command and ends the script with its output when it fails. */
const prelude = readFileSync(inRepository('test/kernel/prelude.sh'), 'utf8')

/** A virtual machine, in software, that runs one script and ends. */
export class Vm {
  private readonly folder = mkdtempSync(join(tmpdir(), 'tcmu-vm-'))
  private readonly child: ChildProcess
  private readonly closed: Promise<void>

  constructor(script: string) {
    const { folder } = this
    writeFileSync(join(folder, 'script'), `${prelude}\n${script}\n`)
    writeFileSync(join(folder, 'out'), '')
    this.child = spawn('qemu-system-x86_64', [
      '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-machine', 'q35,usb=off,vmport=off,hpet=off',
      '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '2G', '-kernel', join(image, 'vmlinux'), '-initrd', join(image, 'initrd'),
      '-append', 'console=ttyS0 loglevel=4 mitigations=off nokaslr audit=0 apparmor=0 panic=-1 tsc=reliable random.trust_cpu=on',
      '-fw_cfg', `name=opt/tcmu/script,file=${join(folder, 'script')}`,
      '-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile=',
      '-device', 'virtio-serial-pci', '-chardev', `file,id=out,path=${join(folder, 'out')}`, '-device', 'virtserialport,chardev=out,name=out',
      '-serial', `file:${join(folder, 'console')}`,
    ], { stdio: ['ignore', 'ignore', 'inherit'] })
    this.closed = new Promise((resolve, reject) => this.child.once('close', () => resolve()).once('error', reject))
  }

  /** What the script has printed. */
  get text(): string {
    return readFileSync(join(this.folder, 'out'), 'latin1')
  }

  /** Resolves when the script has printed `line`; rejects when it has ended without. */
  async said(line: string): Promise<void> {
    await until(() => {
      if (this.text.split('\n').includes(line)) return true
      if (this.child.exitCode !== null) throw new Error(`the script ended without saying ${line}:\n${this.text}`)
      return false
    }, `the script says ${line}`, RUN_MS)
  }

  /** Resolves with what the script printed when all its steps went well. */
  async ended(): Promise<string> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), RUN_MS)
    await this.closed
    clearTimeout(timer)
    const { text } = this
    if (!/^exit 0$/m.test(text)) throw new Error(`the script failed:\n${text}\n${this.console()}`)
    return text
  }

  private console(): string {
    const file = join(this.folder, 'console')
    return existsSync(file) ? readFileSync(file, 'latin1').split('\n').slice(-20).join('\n') : ''
  }

  async close(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.closed.catch(() => undefined)
    rmSync(this.folder, { recursive: true, force: true })
  }
}
