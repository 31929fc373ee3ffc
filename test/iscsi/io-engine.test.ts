import { writeFileSync } from 'node:fs'
import { callSocket } from '../../packages/host/src/control'
import { testIf } from '../lib/requires'
import { bench } from '../lib/serve'
import { backends } from '../native/lib'

const here = bench()

const uring = backends.find((b) => b.by === 'uring')!.lack
const cases = [
  { flags: ['--io-engine', 'threads'], key: undefined, says: 'threads, as asked', lack: undefined },
  { flags: ['--io-engine', 'uring'], key: 'threads', says: 'io_uring', lack: uring },
  { flags: [], key: 'threads', says: 'threads, as asked', lack: undefined },
  { flags: [], key: undefined, says: 'io_uring', lack: uring },
]

describe('what carries out file I/O', () => {
  cases.forEach(({ flags, key, says, lack }, i) => testIf(lack, `${flags.join(' ') || 'no flag'}, ioEngine: ${key ?? 'left out'}: the log and the control socket say ${says}`, async () => {
    const [config, socket] = [here.path(`host-${i}.json`), here.path(`socket-${i}`)]
    writeFileSync(config, JSON.stringify({ ioEngine: key }))
    const host = await here.start({ luns: [here.fileLun(`disk-${i}`)], args: ['--config', config, '--socket', socket, ...flags] })
    expect(host.output).toContain(`file I/O: ${says}"`)
    expect(await callSocket(socket, 'version')).toMatchObject({ fileIo: says, pid: host.pid })
    expect(await host.end()).toBe(0)
  }))

  test('anything else is refused', async () => {
    await expect(here.start({ args: ['--io-engine', 'magic'] })).rejects.toThrow(/Allowed choices are auto, uring, threads/)
    const config = here.path('wrong.json')
    writeFileSync(config, JSON.stringify({ ioEngine: 'magic' }))
    await expect(here.start({ args: ['--config', config] })).rejects.toThrow(/E_CONFIG: .*ioEngine: wanted .*threads/)
  })
})
