import { sam } from '../../packages/host/src/scsi'
import * as abi from '../../packages/host/src/ring/abi'
import { FakeKernel, Pump, type PumpedUnit } from '../../packages/host/src/testing'
import { type Answer, cases, type Initiator, type Kernel, UserSpace } from './ring/cases.cjs'
import { kernelCases } from './cases'

/** The middle layer of an initiator asks again after this. */
const RETRY_MS = 10

function initiator(kernel: FakeKernel): Initiator {
  const send: Initiator['send'] = (cdb, { dataIn = 0, dataOut } = {}) => new Promise<Answer>((resolve) => {
    kernel.queue(Uint8Array.from(cdb), { dataIn, ...(dataOut && { dataOut }) }, (a) => {
      if (a.status === sam.BUSY) setTimeout(() => resolve(send(cdb, { dataIn, dataOut })), RETRY_MS)
      else resolve({ status: a.status, key: a.sense === null ? 0 : a.sense[2]! & 0xf, data: a.data, aborted: a.aborted })
    })
  })
  return { send }
}

function controls(fake: FakeKernel): Kernel {
  const words = new Uint32Array(fake.memory)
  return {
    words, bytes: fake.bytes, abi,
    get entryAt() {
      return abi.Mailbox.size + words[abi.Mailbox.at.cmdTail >> 2]!
    },
    kick: () => fake.kick(),
    block: (on) => fake.block(on),
    reset: (how) => fake.reset(how),
    freeKept: (id) => fake.freeKeptBuffer(id),
    abort: (id) => fake.tmr(abi.TmrType.ABORT_TASK, [id]),
    expire: (id) => fake.expire(id),
    pause: () => new Promise((resolve) => setTimeout(resolve, 50)),
  }
}

describe('on the fake kernel', () => {
  test.each(Object.entries(cases))('%s', async (_name, run) => {
    const kernel = new FakeKernel()
    const user = new UserSpace({ Pump: Pump as never, port: kernel, unit: undefined as unknown as PumpedUnit })
    await run(initiator(kernel), user, controls(kernel))
    if (kernel.violations.length === 0) kernel.assertIdle()
    user.pump.close()
    kernel.close()
  })
})

kernelCases('on the real kernel', {
  setup: 'timeout 200 node /opt/tcmu/test/kernel/ring/real.cjs 2>&1 | tee /run/ring.out; dmesg | tail -n 40',
  cases: Object.fromEntries(Object.keys(cases).map((name) => [name, `grep -qxF 'ok ${name}' /run/ring.out || fail "$(grep -A 12 -F 'failed ${name}' /run/ring.out)"`])),
})
