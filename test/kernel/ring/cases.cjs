'use strict'
// What user space and the kernel owe each other on a TCMU ring, case by case. The same cases run over the fake kernel (jest)
// and over the real one (real.cjs, in the VM): a fake that is kinder or harsher than the kernel fails here. Plain JavaScript,
// because it runs in the VM as it is.
const assert = require('node:assert/strict')

const read10 = (blocks, lba = 0) => [0x28, 0, 0, 0, 0, lba, 0, 0, blocks, 0]
const write10 = (blocks, lba = 0) => [0x2a, 0, 0, 0, 0, lba, 0, 0, blocks, 0]
const vendor = (opcode) => [opcode, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const tur = [0, 0, 0, 0, 0, 0]
const mediumError = Uint8Array.of(0x70, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0)
const pattern = (length, seed) => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff)
const GOOD = 0
const CHECK = 2
/** Sense keys. */
const NOT_READY = 2
const MEDIUM_ERROR = 3

/** The program's end of the ring: a pump whose commands wait for the case to answer them. */
class UserSpace {
  constructor({ Pump, port, unit }) {
    this.taken = []
    this.aborts = []
    this.waiting = []
    this.unit = unit
    const relay = {
      name: 'ring under test',
      execute: (task) => {
        if (this.unit) return this.unit.execute(task)
        this.taken.push(task)
        this.waiting.splice(0).forEach((go) => go())
      },
      abort: (which) => {
        this.aborts.push(...this.taken.filter(which))
        this.waiting.splice(0).forEach((go) => go())
        return Promise.resolve(0)
      },
      join: () => {},
      leave: () => {},
    }
    this.broken = []
    this.pump = new Pump(port, relay, { broken: (e) => this.broken.push(e) })
  }

  async until(holds) {
    while (!holds()) await new Promise((go) => this.waiting.push(go))
  }

  /** The next `n` commands, as they came. */
  async take(n = 1) {
    await this.until(() => this.taken.length >= n)
    return this.taken.splice(0, n)
  }

  /** Answer with data for the initiator and a status. */
  answer(task, { data, status = GOOD, sense } = {}) {
    if (data) task.dataInLength = task.data.set(data)
    task.status = status
    if (sense) task.setSense(sense)
    task.finish()
  }
}

/** Each: `(initiator, user, kernel)`. */
const cases = {
  async 'answers out of order reach those who asked'({ send }, user) {
    const asked = [1, 2, 3].map((n) => send(read10(n, n), { dataIn: n * 512 }))
    const tasks = await user.take(3)
    for (const task of [tasks[2], tasks[0], tasks[1]]) user.answer(task, { data: pattern(task.cdb[8] * 512, task.cdb[5]) })
    const answers = await Promise.all(asked)
    answers.forEach((a, i) => assert.deepEqual([a.status, Buffer.from(a.data)], [GOOD, Buffer.from(pattern((i + 1) * 512, i + 1))]))
  },

  async 'a length that was told is what the initiator gets'({ send }, user) {
    const asked = send(read10(1), { dataIn: 512 })
    const [task] = await user.take()
    user.answer(task, { data: pattern(100, 9) })
    assert.deepEqual(Buffer.from((await asked).data), Buffer.from(pattern(100, 9)))
  },

  async 'data of a write is whole, in however many pieces'({ send }, user) {
    const bytes = pattern(40_960, 3)
    const asked = send(write10(80), { dataOut: bytes })
    const [task] = await user.take()
    assert.equal(task.expected, bytes.length)
    assert.equal(task.data.compare(bytes), -1)
    user.answer(task)
    assert.equal((await asked).status, GOOD)
  },

  async 'sense data arrives, and no data with it'({ send }, user) {
    const asked = send(read10(1), { dataIn: 512 })
    const [task] = await user.take()
    user.answer(task, { status: CHECK, sense: mediumError })
    const a = await asked
    assert.deepEqual([a.status, a.key, a.data.length], [CHECK, MEDIUM_ERROR, 0])
  },

  async 'sense data and data that was counted arrive together'({ send, dropsData }, user) {
    const asked = send(read10(1), { dataIn: 512 })
    const [task] = await user.take()
    user.answer(task, { status: CHECK, sense: mediumError, data: pattern(64, 1) })
    const a = await asked
    assert.deepEqual([a.status, a.key], [CHECK, MEDIUM_ERROR])
    if (!dropsData) assert.deepEqual(Buffer.from(a.data), Buffer.from(pattern(64, 1)))
  },

  async 'commands of groups without a length come whole'({ send }, user) {
    for (const opcode of [0x61, 0xc1, 0xff]) {
      const asked = send(vendor(opcode))
      const [task] = await user.take()
      assert.deepEqual([...task.cdb.subarray(0, 10)], vendor(opcode))
      assert.ok(task.cdbLength >= 10)
      user.answer(task)
      assert.equal((await asked).status, GOOD)
    }
  },

  async 'a kept buffer stays readable after the answer, and is freed once'({ send }, user, kernel) {
    const bytes = pattern(4096, 5)
    const asked = send(write10(8), { dataOut: bytes })
    const [task] = await user.take()
    const [at, id] = [task.data.offsets[0], task.id]
    // The ring does not know which way the data goes, and zeroes what a read left unfilled.
    task.dataInLength = task.data.length
    user.answer(task)
    // The flag is written behind the ring's back: the host does not use it.
    const { words, entryAt, abi } = kernel
    words[(entryAt + abi.EntryHeader.at.cmdId) >> 2] |= abi.UserFlag.KEEP_BUF << 24
    assert.equal((await asked).status, GOOD)
    assert.deepEqual(Buffer.from(kernel.bytes.slice(at, at + 4096)), Buffer.from(bytes))
    await kernel.freeKept(id)
    await assert.rejects(async () => kernel.freeKept(id), { code: 'EINVAL' })
  },

  async 'an aborted command is told of, and still to be answered'({ send }, user, kernel) {
    const asked = send(read10(1), { dataIn: 512, abortAfter: 3 })
    const [task] = await user.take()
    user.taken.push(task)
    kernel.abort?.(task.id)
    await user.until(() => user.aborts.includes(task))
    user.taken.length = user.aborts.length = 0
    assert.equal(user.pump.ring.find(task.id), task)
    user.answer(task, { status: 0x40 })
    assert.equal((await asked).aborted, true)
  },

  async 'what was aborted leaves the ring in order'({ send }, user) {
    const asked = send(tur)
    user.answer((await user.take())[0])
    assert.equal((await asked).status, GOOD)
  },

  async 'a blocked device keeps commands from the ring until it is unblocked'({ send }, user, kernel) {
    await kernel.block(true)
    const asked = send(read10(1), { dataIn: 512 })
    await kernel.pause(700)
    assert.equal(user.taken.length, 0)
    await kernel.block(false)
    const [task] = await user.take()
    user.answer(task, { data: pattern(512, 8) })
    assert.equal((await asked).status, GOOD)
  },

  async 'a ring reset for retry makes the initiator ask again; the old command is dead'({ send }, user, kernel) {
    const asked = send(read10(1), { dataIn: 512 })
    const [task] = await user.take()
    const { data } = task
    await kernel.block(true)
    await user.pump.abandon()
    assert.throws(() => data.toBuffer(), { code: 'E_SEGMENTS_REVOKED' })
    await kernel.reset('retry')
    user.pump.start()
    await kernel.block(false)
    const [again] = await user.take()
    task.finish()
    user.answer(again, { data: pattern(512, 4) })
    assert.deepEqual(Buffer.from((await asked).data), Buffer.from(pattern(512, 4)))
    assert.throws(() => data.zero(), { code: 'E_SEGMENTS_REVOKED' })
  },

  async 'a ring reset for failure ends commands as NOT READY'({ send }, user, kernel) {
    const asked = send(read10(1), { dataIn: 512 })
    const [task] = await user.take()
    await kernel.block(true)
    await user.pump.abandon()
    await kernel.reset('fail')
    user.pump.start()
    await kernel.block(false)
    task.finish()
    const a = await asked
    assert.deepEqual([a.status, a.key], [CHECK, NOT_READY])
  },

  async 'an answer nobody asked for breaks the ring; a reset mends it'({ send }, user, kernel) {
    const asked = send(read10(1), { dataIn: 512 })
    const [task] = await user.take()
    const { words, bytes, abi } = kernel
    const at = kernel.entryAt
    words[(at + abi.EntryHeader.at.cmdId) >> 2] = 0x7abc
    bytes[at + abi.CmdResponse.at.scsiStatus] = GOOD
    words[abi.Mailbox.at.cmdTail >> 2] = words[abi.Mailbox.at.cmdHead >> 2]
    kernel.kick()
    const refused = await send(read10(1), { dataIn: 512 })
    assert.deepEqual([refused.status, refused.key], [CHECK, NOT_READY])
    await kernel.block(true)
    await user.pump.abandon()
    await kernel.reset('retry')
    user.pump.start()
    await kernel.block(false)
    task.finish()
    const [again] = await user.take()
    user.answer(again, { data: pattern(512, 6) })
    assert.equal((await asked).status, GOOD)
  },

  async 'a command that takes too long fails at the initiator, keeps its memory, and its late answer is taken'({ send }, user, kernel) {
    const asked = send(read10(8), { dataIn: 4096 })
    const [task] = await user.take()
    await kernel.expire(task.id)
    const a = await asked
    assert.deepEqual([a.status, a.key], [CHECK, NOT_READY])
    const { data } = task
    data.set(pattern(4096, 2))
    assert.equal(data.compare(pattern(4096, 2)), -1)
    user.answer(task)
    assert.throws(() => data.toBuffer(), { code: 'E_SEGMENTS_REVOKED' })
    const next = send(tur)
    user.answer((await user.take())[0])
    assert.equal((await next).status, GOOD)
  },
}

module.exports = { cases, UserSpace }
