import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inRepository } from '../lib/repository'
import { type Lack, requires } from '../lib/requires'
import { until } from '../lib/run'

const image = inRepository('node_modules/.cache/tcmu/kernel')
/** QEMU's user networking: the guest reaches the host's loopback by this address. */
export const HOST = '10.0.2.2'
export const RUN_MS = 1_800_000
const SCRATCH_BYTES = 2 ** 31
/** A boot takes some ten seconds, and a minute beside much else. */
const BOOT_MS = 120_000
const MOST_BOOTS = 3
/** What the kernel says when QEMU has lost the timer of a processor: seen once in some hundred boots, before anything of ours ran. */
const LOST_TIMER = "timer wakeup didn't happen"

export const requiresKernelVm = (): Lack => requires.all(
  requires.command('qemu-system-x86_64', 'qemu-system-x86'),
  ['vmlinux', 'initrd', 'root.img', 'bundle.img'].every((f) => existsSync(join(image, f)))
    ? undefined : 'needs the image of a VM, made on Debian with: apt-get install qemu-system-x86 erofs-utils cpio kmod binutils',
)

/** What every script begins with: see the comments there. */
const prelude = readFileSync(inRepository('test/kernel/prelude.sh'), 'utf8')

/** Without ERMS: a copy by `rep movsb`, which the kernel prefers where it is, is emulated byte by byte (dd over tmpfs: 0.8 s, without it 0.4 s). */
const PROCESSOR = 'max,erms=off'

export interface VmOptions {
  /** Default: 1, which is a fifth faster when two VMs run side by side. 2 where threads are to race. */
  readonly processors?: 1 | 2
  /** Memory of the VM, files in /tmp included. Default: 2G. */
  readonly memory?: string
  /** Name of the transcript that is kept in `transcripts` beside the image. */
  readonly name?: string
  /** Files that scripts find with `drive NAME`, as block devices that cannot be written. */
  readonly drives?: Readonly<Record<string, string>>
  /** Bash after the prelude; when it has ended the VM powers off. */
  readonly script: string
  /** The VM is killed after that time. Default: half an hour. */
  readonly runMs?: number
}

/** A drive that the VM finds by its serial. */
const drive = (serial: string, file: string, readonly: boolean): string[] => [
  '-drive', `file=${file},if=none,id=${serial},format=raw,cache=unsafe${readonly ? ',readonly=on' : ''}`,
  '-device', `virtio-blk-pci,drive=${serial},serial=${serial}`,
]

/** A virtual machine, in software, that runs one script and ends. The project is at /opt/tcmu in it, `tcmu-host` on its path. */
export class Vm {
  private readonly folder = mkdtempSync(join(tmpdir(), 'tcmu-vm-'))
  private child: ChildProcess | undefined = undefined
  private readonly closed: Promise<void>
  private readonly timer: NodeJS.Timeout
  private over = false
  private printed = ''

  constructor(private readonly options: VmOptions) {
    this.closed = this.run(this.command()).finally(() => (this.over = true))
    // Who waits for it hears of it.
    this.closed.catch(() => undefined)
    this.timer = setTimeout(() => this.child?.kill('SIGKILL'), options.runMs ?? RUN_MS)
  }

  private command(): readonly string[] {
    const { folder, options } = this
    const file = (name: string, content = ''): string => {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    }
    const scratch = file('scratch')
    truncateSync(scratch, SCRATCH_BYTES)
    return [
      '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-machine', 'q35,usb=off,vmport=off,hpet=off',
      '-accel', 'tcg,thread=multi', '-cpu', PROCESSOR, '-smp', String(options.processors ?? 1), '-m', options.memory ?? '2G', '-kernel', join(image, 'vmlinux'), '-initrd', join(image, 'initrd'),
      '-append', 'console=ttyS0 loglevel=4 mitigations=off nokaslr audit=0 apparmor=0 panic=-1 tsc=reliable no_timer_check random.trust_cpu=on rcupdate.rcu_expedited=1',
      '-fw_cfg', `name=opt/tcmu/script,file=${file('script', `${prelude}\n${options.script}\n`)}`,
      ...drive('root', join(image, 'root.img'), true), ...drive('bundle', join(image, 'bundle.img'), true), ...drive('scratch', scratch, false),
      ...Object.entries(options.drives ?? {}).flatMap(([name, path]) => drive(name, path, true)),
      '-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile=',
      '-device', 'virtio-serial-pci', '-chardev', `file,id=out,path=${file('out')}`, '-device', 'virtserialport,chardev=out,name=out',
      '-serial', `file:${join(folder, 'console')}`,
    ]
  }

  /** Until the VM has ended, booted again if it hangs before the script has printed anything. */
  private async run(command: readonly string[]): Promise<void> {
    for (let boots = 1; await this.boot(command, boots < MOST_BOOTS); boots++) {
      process.stderr.write(`${this.options.name ?? 'a VM'}: QEMU lost a timer while its kernel booted; booting again\n`)
    }
  }

  /** Resolves when QEMU has ended: true when it was ended because the kernel hung, if `again`. */
  private async boot(command: readonly string[], again: boolean): Promise<boolean> {
    let hung = false
    const child = this.child = spawn('qemu-system-x86_64', command, { stdio: ['ignore', 'ignore', 'inherit'] })
    const watch = setTimeout(() => {
      hung = again && this.text === '' && this.console().includes(LOST_TIMER)
      if (hung) child.kill('SIGKILL')
    }, BOOT_MS)
    try {
      await new Promise<void>((resolve, reject) => void child.once('close', () => resolve()).once('error', reject))
    } finally {
      clearTimeout(watch)
    }
    return hung
  }

  /** What the script has printed. */
  get text(): string {
    const file = join(this.folder, 'out')
    // Looked at a hundred times a second, and it can be megabytes.
    if (statSync(file).size !== this.printed.length) this.printed = readFileSync(file, 'latin1')
    return this.printed
  }

  get running(): boolean {
    return !this.over
  }

  /** Resolves when the script has printed `line`; rejects when it has ended without. */
  async said(line: string): Promise<void> {
    const limit = this.options.runMs ?? RUN_MS
    await until(() => {
      const { running } = this
      if (`\n${this.text}`.includes(`\n${line}\n`)) return true
      if (!running) throw new Error(`the script ended without saying ${line}:\n${this.text}\n${this.console()}`)
      return false
    }, `the script says ${line}`, limit)
  }

  /** Resolves with what the script printed when all its steps went well. */
  async ended(): Promise<string> {
    await this.closed
    const { text } = this
    if (!/^exit 0$/m.test(text)) throw new Error(`the script failed:\n${text}\n${this.console()}`)
    return text
  }

  private console(): string {
    const file = join(this.folder, 'console')
    return existsSync(file) ? readFileSync(file, 'latin1').split('\n').slice(-20).join('\n') : ''
  }

  async close(): Promise<void> {
    clearTimeout(this.timer)
    this.child?.kill('SIGKILL')
    await this.closed.catch(() => undefined)
    if (this.options.name !== undefined) {
      mkdirSync(join(image, 'transcripts'), { recursive: true })
      writeFileSync(join(image, 'transcripts', `${this.options.name}.txt`), `${this.text}\n${this.console()}`)
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}
