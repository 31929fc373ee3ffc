import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import { gluster, glusterLack } from './gluster'
import { describeIf } from '../lib/requires'
import { pause, until } from '../lib/run'

/** Without a wait for libgfapi, which takes 1 to 11 s to disconnect, and as long as the ping time-out for a brick that hangs. */
const SOON_MS = 2000

/** A case of fixtures/glfs-life.ts. */
class Life {
  readonly child: ChildProcess
  private out = ''
  private err = ''
  private said = 0

  constructor(name: string, config: string) {
    this.child = spawn(process.execPath, [resolve(__dirname, '../lib/ts.cjs'), resolve(__dirname, 'fixtures/glfs-life.ts'), name, config], { stdio: 'pipe' })
    this.child.stdout!.setEncoding('utf8').on('data', (s: string) => (this.out += s))
    this.child.stderr!.setEncoding('utf8').on('data', (s: string) => (this.err += s))
  }

  /** It says so. */
  async says(what: string): Promise<void> {
    await until(() => this.out.includes(what) || this.child.exitCode !== null, `it says ${what}`, 30_000)
    if (!this.out.includes(what)) throw new Error(`it ended with ${this.child.exitCode}: ${this.err}`)
    this.said = performance.now()
  }

  tell(): void { this.child.stdin!.write('go on\n') }

  /** How it ended, and how long after it said its last. */
  async end(): Promise<{ code: number | null; signal: string | null; err: string; out: string; ms: number }> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'close')
    return { code: this.child.exitCode, signal: this.child.signalCode, err: this.err, out: this.out, ms: performance.now() - this.said }
  }
}

const well = { code: 0, signal: null, err: '' }

test('without libgfapi a LUN is refused, and told what to install', async () => {
  const life = new Life('no-library', '')
  await life.says('end')
  expect(await life.end()).toMatchObject({ ...well, out: expect.stringMatching(/^E_GLFS_LIBRARY: libgfapi, which glfs needs, cannot be used: libgfapi\.so\.99: cannot open .*Install it \(Debian: apt-get install libgfapi0\)/) as string })
})

describeIf(glusterLack(), 'libgfapi in a process', () => {
  const node = gluster('vol')
  let files = 0
  const config = (): string => `vol@${node().address}/life${files++}.img`
  afterEach(() => node().resumeBrick('vol'))

  test.each(['use', 'old-signatures'])('%s, and the end does not wait for it', async (name) => {
    const life = new Life(name, config())
    await life.says('end')
    const { ms, ...ended } = await life.end()
    expect(ended).toMatchObject(well)
    expect(ms).toBeLessThan(SOON_MS)
  })

  test('exits under I/O that hangs', async () => {
    const life = new Life('exit-under-hung-io', config())
    await life.says('open')
    await node().pauseBrick('vol')
    life.tell()
    await life.says('end')
    const { ms, ...ended } = await life.end()
    expect(ended).toMatchObject(well)
    expect(ms).toBeLessThan(SOON_MS)
  })

  test('a worker ends under I/O that hangs, and answers that come later harm nobody', async () => {
    const life = new Life('worker-ends-under-hung-io', config())
    await life.says('open')
    await node().pauseBrick('vol')
    life.tell()
    await life.says('end')
    await pause(500)
    node().resumeBrick('vol')
    life.tell()
    const { ms, ...ended } = await life.end()
    expect(ended).toMatchObject(well)
    expect(ms).toBeLessThan(500 + 1000 + SOON_MS)
  })

  test('exits while a server keeps it waiting', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const life = new Life('exit-while-connecting', `vol@127.0.0.1:${(silent.address() as { port: number }).port}/x`)
    await life.says('end')
    const { ms, ...ended } = await life.end()
    expect(ended).toMatchObject(well)
    expect(ms).toBeLessThan(SOON_MS)
    silent.close()
  })
})
