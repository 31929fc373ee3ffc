import { setTimeout as sleep } from 'node:timers/promises'
import { type BlocksHandler, defineHandler, type DeviceInfo } from '../handler'
import { sense, senseKey } from '../scsi/sense'
import { cdb, directly, expectBusy, expectCheck, expectGood, held, Initiator, LogLines, ramHandler, testDevice } from '../testing'
import type { CommandLimits } from './deadlines'
import { recordOf } from './hosted'
import { lifecycle, move } from './lifecycle'

const timing = { firstMs: 5, maxMs: 20, graceMs: 30 }
const block = Buffer.alloc(512, 9)

class Lossy {
  readonly calls: string[] = []
  failOpens = 0
  /** Closing takes that long. */
  closeMs = 0
  dev: DeviceInfo | undefined
  throwOnRead: string | undefined
  private readonly disk = new Uint8Array(1 << 20)

  readonly handler: BlocksHandler<Uint8Array> = defineHandler<Uint8Array>({
    ...ramHandler,
    open: (dev) => {
      this.calls.push(dev.reopen ? 'reopen' : 'open')
      if (this.failOpens-- > 0) throw new Error('still gone')
      this.dev = dev
      return this.disk
    },
    close: async () => {
      this.calls.push('close')
      await sleep(this.closeMs)
    },
    read: (s, io) => {
      if (this.throwOnRead) throw Object.assign(new Error('gone'), { code: this.throwOnRead })
      return ramHandler.read(s, io)
    },
  })
}

async function lossy(l = new Lossy(), handler = l.handler, limits?: CommandLimits) {
  const log = new LogLines()
  const device = await testDevice(handler, { log, recovery: timing, ...(limits && { limits }) })
  const states: string[] = []
  device.hooks.event.tap('test', (e) => void states.push(e.kind === 'state' ? e.state : e.kind))
  return { l, device, log, states, it: new Initiator(directly(device), 512) }
}
async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !what(); i++) await sleep(5)
  expect(what()).toBe(true)
}

test('the life cycle has no other ways', () => {
  for (const [state, moves] of Object.entries(lifecycle)) {
    for (const event of ['opened', 'failed', 'connectionLost', 'remove', 'reopened', 'idle', 'closed'] as const) {
      const to = (moves as Record<string, string>)[event]
      if (to) expect(move(state as keyof typeof lifecycle, event, 'd')).toBe(to)
      else expect(() => move(state as keyof typeof lifecycle, event, 'd')).toThrow(`device d: no event ${event} in state ${state}`)
    }
  }
})

test('lost: closed, opened again until that works, and all data is there', async () => {
  const { l, device, states, it, log } = await lossy()
  expectGood(await it.write(5, block))
  l.failOpens = 3
  l.dev!.report('connection-lost')
  expect(device.state).toBe('recovering')
  expectBusy(await it.read({ lba: 5, blocks: 1 }))
  expectBusy(await it.write(5, block))
  expectBusy(await it.send(cdb.synchronizeCache10(), {}))
  expectCheck(await it.testUnitReady(), senseKey.NOT_READY, sense.LOGICAL_UNIT_IS_IN_PROCESS_OF_BECOMING_READY)
  expectGood(await it.inquiry())
  expectGood(await it.requestSense())
  await until(() => device.state === 'running')
  expect(Buffer.from((await it.read({ lba: 5, blocks: 1 })).data)).toEqual(block)
  expect(l.calls).toEqual(['open', 'close', 'reopen', 'reopen', 'reopen', 'reopen'])
  expect(states).toEqual(['connection-lost', 'recovering', 'running'])
  expect(device.counters.connectionLost).toBe(1)
  expect(log.lines.filter((l) => l.includes('does not open: still gone'))).toHaveLength(3)
})

test('meanwhile it says why, and since when', async () => {
  const { l, device } = await lossy()
  expect(device.fault).toBeUndefined()
  l.failOpens = 3
  l.dev!.report('connection-lost', 'd: the cable is out')
  const { since } = device.fault!
  expect(device.fault).toEqual({ reason: 'd: the cable is out', since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[0-9:.]+Z$/) as string })
  await until(() => device.fault?.reason === 'it does not open: still gone')
  expect(recordOf(0, device)).toMatchObject({ state: 'recovering', fault: { reason: 'it does not open: still gone', since } })
  await until(() => device.state === 'running')
  expect(recordOf(0, device)).not.toHaveProperty('fault')
})

test('of an error that a command ended with, it says which', async () => {
  const { l, device, it } = await lossy()
  l.throwOnRead = 'ECONNRESET'
  l.closeMs = 50
  await it.read({ lba: 0, blocks: 1 })
  expect(device.fault?.reason).toBe('READ(16) failed: gone')
  l.throwOnRead = undefined
  await until(() => device.state === 'running')
})

test('a handler that gives no reason is named', async () => {
  const { l, device } = await lossy()
  l.closeMs = 50
  l.dev!.report('connection-lost')
  expect(device.fault?.reason).toBe('ram reports connection-lost')
  await until(() => device.state === 'running')
})

test('what the handler kept, it is told when it opens the device again', async () => {
  const heard: unknown[] = []
  const l = new Lossy()
  const handler = defineHandler<Uint8Array>({
    ...l.handler,
    open: (dev) => {
      heard.push(dev.kept)
      return l.handler.open(dev)
    },
    close: () => l.dev!.keep({ openings: heard.length }),
  })
  const { device } = await lossy(l, handler)
  for (let i = 0; i < 2; i++) {
    l.dev!.report('connection-lost')
    await until(() => device.state === 'running')
  }
  expect(heard).toEqual([undefined, { openings: 1 }, { openings: 2 }])
})

test('pauses double up to the longest', async () => {
  const { l, device, log } = await lossy()
  l.failOpens = 4
  l.dev!.report('connection-lost')
  await until(() => device.state === 'running')
  expect(log.lines.map((t) => /tried again in (\S+) s/.exec(t)?.[1]).filter(Boolean)).toEqual(['0.005', '0.01', '0.02', '0.02'])
})

test('reported twice, it is recovered once', async () => {
  const { l, device } = await lossy()
  l.dev!.report('connection-lost')
  l.dev!.report('connection-lost')
  await until(() => device.state === 'running')
  expect(l.calls).toEqual(['open', 'close', 'reopen'])
  expect(device.counters.connectionLost).toBe(1)
  l.dev!.report('connection-lost')
  await until(() => device.state === 'running')
  expect(device.counters.connectionLost).toBe(2)
})

test.each(['ETIMEDOUT', 'ECONNRESET', 'ENOTCONN', 'EHOSTUNREACH', 'ENODEV', 'ENXIO', 'ESTALE'])('%s thrown by a command starts it', async (code) => {
  const { l, device, it } = await lossy()
  l.throwOnRead = code
  const { status } = await it.read({ lba: 0, blocks: 1 })
  expect(status).not.toBe(0)
  expect(device.state).toBe('recovering')
  l.throwOnRead = undefined
  await until(() => device.state === 'running')
  expectGood(await it.read({ lba: 0, blocks: 1 }))
})

test.each(['EIO', 'ENOSPC', 'EAGAIN', 'EBUSY', 'EROFS'])('%s does not', async (code) => {
  const { l, device, it } = await lossy()
  l.throwOnRead = code
  await it.read({ lba: 0, blocks: 1 })
  expect(device.state).toBe('running')
  expect(l.calls).toEqual(['open'])
})

test('nothing is closed under a command: it may end, is then told to, and is waited for', async () => {
  const l = new Lossy()
  const slow = held(l.handler, (operation) => operation === 'write')
  const { device, it, log } = await lossy(l, slow.handler)
  const writing = it.write(0, block)
  l.dev!.report('connection-lost')
  const told = (): string[] => log.lines.filter((t) => t.includes('its commands do not end'))
  await until(() => told().length > 0)
  await sleep(60)
  expect(l.calls).toEqual(['open'])
  expect(told()).toHaveLength(1)
  slow.releaseAll()
  expect((await writing).status).not.toBe(0)
  await until(() => device.state === 'running')
  expect(l.calls).toEqual(['open', 'close', 'reopen'])
})

test('a device that goes away while it is recovered is not opened any more', async () => {
  const { l, device } = await lossy()
  l.failOpens = 1000
  l.dev!.report('connection-lost')
  await until(() => l.calls.length > 3)
  await device.close(100)
  const n = l.calls.length
  expect(device.state).toBe('closed')
  await sleep(60)
  expect(l.calls).toHaveLength(n)
  expect(l.calls.filter((c) => c === 'close')).toHaveLength(1)
})

test('closing while the recovery closes closes once', async () => {
  const { l, device } = await lossy()
  l.closeMs = 30
  l.dev!.report('connection-lost')
  await sleep(10)
  await device.close(100)
  expect(l.calls).toEqual(['open', 'close'])
})

test('a change of the write cache or the size is refused meanwhile', async () => {
  const { l, device } = await lossy()
  l.failOpens = 5
  l.dev!.report('connection-lost')
  expect(await device.reconfigure({ kind: 'size', sizeBytes: 4096 })).toBe(-1)
  await until(() => device.state === 'running')
})

describe('commands that take too long', () => {
  test('are told of once, when those who sent them are about to give up', async () => {
    const l = new Lossy()
    const slow = held(l.handler, (operation) => operation === 'read')
    const { it, log, device } = await lossy(l, slow.handler, { lateSeconds: 0, peerSeconds: 0.2 })
    const reading = it.read({ lba: 0, blocks: 1 })
    await sleep(600)
    expect(log.lines.filter((t) => t.includes('READ(16) has been under way'))).toHaveLength(1)
    expect(device.state).toBe('running')
    slow.releaseAll()
    expectGood(await reading)
    await device.close(10)
  })

  test('count as a lost connection after the time that was set', async () => {
    const l = new Lossy()
    const slow = held(l.handler, (operation) => operation === 'read')
    const { it, device, log, states } = await lossy(l, slow.handler, { lateSeconds: 0.2, peerSeconds: 30 })
    const reading = it.read({ lba: 0, blocks: 1 })
    await until(() => device.counters.late === 1)
    expect(states).toEqual(['command-late', 'connection-lost', 'recovering'])
    expect(log.lines.some((t) => /READ\(16\) is not done after \d+\.\d s/.test(t))).toBe(true)
    await sleep(400)
    slow.releaseAll()
    await reading
    await until(() => device.state === 'running')
    expect(device.counters.late).toBe(1)
    await device.close(10)
  })

  test('quick ones are never told of', async () => {
    const { it, device, log } = await lossy(new Lossy(), undefined, { lateSeconds: 5, peerSeconds: 5 })
    const until = Date.now() + 500
    while (Date.now() < until) expectGood(await it.read({ lba: 0, blocks: 1 }))
    expect(log.lines).toEqual([])
    await device.close(10)
  })
})
