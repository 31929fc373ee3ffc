import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { Segments } from '@tcmu/host/scsi'
import { Connection, type ConnectionLimits, NotSentError } from './connection'
import { ANSWER_MAGIC, AnswerFrame, ops } from './frames'
import { AnswerReader, type AnswerSink } from './reader'
import { termsOf } from './handshake'
import { type Ask } from './request'
import { disk, Peer, welcome } from './testing/peer'

const connect = (answering: ConstructorParameters<typeof Peer>[0], limits: Partial<ConnectionLimits> = {}): { peer: Peer; connection: Connection } => {
  const peer = new Peer(answering)
  return { peer, connection: new Connection(peer, { deadlineMs: 1000, inflight: 32, cancels: true, ...limits }) }
}
const reading = (offset: number, length = 512, signal?: AbortSignal): Ask & { into: Segments } => ({ op: ops.read, offset, length, into: Segments.allocate(length), ...(signal && { signal }) })

describe('requests and answers', () => {
  test('several are under way, and answers come in any order', async () => {
    const memory = Buffer.from(Array.from({ length: 4096 }, (_, i) => i >> 9))
    const held: Parameters<ConstructorParameters<typeof Peer>[0]>[0][] = []
    const { peer, connection } = connect(disk(memory, { read: (r) => void held.push(r) }))
    const asks = Array.from({ length: 8 }, (_, i) => reading(i * 512))
    const done = Promise.all(asks.map((a) => connection.request(a)))
    await sleep(5)
    expect(held).toHaveLength(8)
    for (const r of held.reverse()) peer.answer(r.id, memory.subarray(r.offset, r.offset + r.length))
    await done
    expect(asks.map((a) => a.into.toBuffer()[511])).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('no more are under way than the program takes; the others wait in order', async () => {
    let now = 0
    let most = 0
    const order: number[] = []
    const { connection } = connect(disk(Buffer.alloc(65536), {
      read: (r, p) => {
        most = Math.max(most, ++now)
        order.push(r.offset)
        setTimeout(() => (now--, p.answer(r.id, Buffer.alloc(r.length))), 2)
      },
    }), { inflight: 3 })
    await Promise.all(Array.from({ length: 20 }, (_, i) => connection.request(reading(i * 512))))
    expect(most).toBe(3)
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i * 512))
  })

  test('nothing is sent while the program does not read', async () => {
    const { peer, connection } = connect(() => undefined)
    peer.to.removeAllListeners('data').pause()
    const asks = Array.from({ length: 32 }, () => connection.request({ op: ops.write, length: 65536, payload: Buffer.alloc(65536) }).catch(() => undefined))
    await sleep(5)
    expect(peer.to.writableLength + peer.to.readableLength).toBeLessThan(3 * 65536)
    await connection.end('enough')
    await Promise.all(asks)
  })

  test('an error is an errno, with what the program says of it', async () => {
    const { connection } = connect(disk(Buffer.alloc(4096), { read: (r, p) => p.answer(r.id, Buffer.from('the bucket is full'), 'ENOSPC') }))
    await expect(connection.request(reading(0))).rejects.toMatchObject({ code: 'ENOSPC', message: 'ENOSPC: the bucket is full' })
  })
})

describe('a hostile program', () => {
  const garbage = (bytes: Buffer | ((id: number) => Buffer)): ConstructorParameters<typeof Peer>[0] => (r, p) => void p.from.write(typeof bytes === 'function' ? bytes(r.id) : bytes)
  const frame = (fields: Parameters<typeof AnswerFrame.encode>[0]): Buffer => Buffer.from(AnswerFrame.encode({ magic: ANSWER_MAGIC, ...fields }))
  test.each([
    ['prints', garbage(Buffer.from('Hello, world! I am here')), /where an answer should begin there is "Hello, world! I "; does it print/],
    ['answers what it was not asked', garbage(frame({ id: 99 })), /it answers request 99, which it was not asked/],
    ['answers twice', garbage((id) => Buffer.concat([frame({ id, error: 5 }), frame({ id, error: 5 })])), undefined],
    ['says a length of its own', garbage((id) => frame({ id, payload: 513 })), /its answer to READ has 513 bytes of payload, where 512 are to be/],
    ['says a huge length', garbage((id) => frame({ id, payload: 0xffffffff })), /has 4294967295 bytes of payload/],
    ['is long-winded', garbage((id) => frame({ id, error: 5, payload: 1025 })), /where at most 1024 of text are to be/],
    ['makes errors up', garbage((id) => frame({ id, error: 60000 })), /error 60000, which is no errno/],
    ['floods', (_r: unknown, p: Peer) => void (function flood(n: number): void { if (n && !p.killed) { p.from.write(Buffer.alloc(65536, 0x41)); setImmediate(flood, n - 1) } })(1000), /should begin there is "AAAA/],
    ['goes away', (_r: unknown, p: Peer) => p.die('it ended with exit code 3'), /exit code 3/],
    ['goes away in the middle', (r: { id: number }, p: Peer) => (p.from.write(Buffer.concat([frame({ id: r.id, payload: 512 }), Buffer.alloc(100)])), setTimeout(p.die, 5, 'it was ended by SIGSEGV')), /SIGSEGV/],
  ] as const)('that %s is ended, its requests fail as errors of the medium', async (_, answering, why) => {
    const { connection, peer } = connect(answering as ConstructorParameters<typeof Peer>[0])
    const asked = [connection.request(reading(0)), connection.request(reading(512))]
    const [first, second] = await Promise.allSettled(asked)
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'EIO' } })
    expect(second).toMatchObject({ status: 'rejected' })
    const ended = await connection.ended
    if (why) expect(ended).toMatch(why)
    else expect(ended).toMatch(/answered before/)
    expect(peer.killed || /exit code|SIGSEGV/.test(ended)).toBe(true)
    await expect(connection.request(reading(0))).rejects.toBeInstanceOf(NotSentError)
  })

  test('that never answers is told, gets its grace, and is ended; nothing can happen late', async () => {
    const { connection, peer } = connect(() => undefined, { deadlineMs: 30, inflight: 1 })
    const [late, waiting] = [connection.request(reading(0)), connection.request(reading(512))]
    await expect(waiting).rejects.toMatchObject({ code: 'EBUSY' })
    expect(peer.killed).toBe(false)
    expect(peer.seen.map((r) => [r.op, r.id])).toEqual([[ops.read.code, 1], [ops.cancel.code, 1]])
    await expect(late).rejects.toMatchObject({ code: 'EBUSY' })
    expect(peer.killed).toBe(true)
    expect(await connection.ended).toBe('it did not answer READ in time')
  })

  test('that answers late, in its grace, is not ended', async () => {
    const { connection, peer } = connect(disk(Buffer.alloc(4096), { read: (r, p) => void setTimeout(() => p.answer(r.id, Buffer.alloc(512, 1)), 45) }), { deadlineMs: 30 })
    const ask = reading(0)
    await connection.request(ask)
    expect([peer.killed, ask.into.toBuffer()[0]]).toEqual([false, 1])
  })
})

describe('what nobody wants any more', () => {
  test('is taken out of the queue, or the program is told', async () => {
    const { connection, peer } = connect(disk(Buffer.alloc(4096), { read: () => undefined, cancel: (r, p) => p.answer(r.id, undefined, 'ECANCELED') }), { inflight: 1 })
    const [one, two] = [new AbortController(), new AbortController()]
    const asked = [connection.request(reading(0, 512, one.signal)), connection.request(reading(512, 512, two.signal))]
    two.abort()
    await expect(asked[1]).rejects.toMatchObject({ code: 'ABORT_ERR' })
    one.abort()
    await expect(asked[0]).rejects.toMatchObject({ code: 'ECANCELED' })
    expect(peer.seen).toHaveLength(2)
  })
  test('is waited for where the program cannot be told', async () => {
    const { connection, peer } = connect(disk(Buffer.alloc(4096), { read: (r, p) => void setTimeout(() => p.answer(r.id, Buffer.alloc(512)), 20) }), { cancels: false })
    const control = new AbortController()
    const asked = connection.request(reading(0, 512, control.signal))
    control.abort()
    await asked
    expect(peer.seen).toHaveLength(1)
  })
})

class Record implements AnswerSink {
  readonly answers: { id: number; error: number; payload: Buffer }[] = []
  private now: { id: number; error: number; payload: Buffer } | undefined
  begin(id: number, error: number, payload: number): string | undefined {
    if (payload > 4096) return 'too long'
    this.now = { id, error, payload: Buffer.alloc(payload) }
    return undefined
  }
  chunk(bytes: Uint8Array, at: number): void {
    this.now!.payload.set(bytes, at)
  }
  finish(): void {
    this.answers.push(this.now!)
  }
}

/** Cut `bytes` where `cuts` say. */
const cut = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const at = [0, ...cuts.map((c) => c % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

describe('the parser', () => {
  const answers = fc.array(fc.record({ id: fc.nat(), error: fc.nat({ max: 130 }), payload: fc.uint8Array({ maxLength: 100 }).map((b) => Buffer.from(b)) }), { maxLength: 8 })
  test('finds the answers whatever pieces they come in', () => {
    fc.assert(fc.property(answers, fc.array(fc.nat(), { maxLength: 20 }), (list, cuts) => {
      const sink = new Record()
      const reader = new AnswerReader(sink)
      const bytes = Buffer.concat(list.flatMap((a) => [AnswerFrame.encode({ magic: ANSWER_MAGIC, id: a.id, error: a.error, payload: a.payload.length }), a.payload]))
      for (const piece of cut(bytes, cuts)) expect(reader.push(piece)).toBeUndefined()
      expect(sink.answers).toEqual(list)
    }))
  })
  test('finds in arbitrary bytes nothing or a fault, in any pieces the same, and never throws', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b)),
      fc.tuple(fc.nat({ max: 2 ** 32 - 1 }), fc.uint8Array({ maxLength: 100 })).map(([payload, rest]) => Buffer.concat([AnswerFrame.encode({ magic: ANSWER_MAGIC, payload }), rest])),
    )
    fc.assert(fc.property(bytes, fc.array(fc.nat(), { maxLength: 20 }), (b, cuts) => {
      const [whole, pieces] = [new AnswerReader(new Record()), new AnswerReader(new Record())]
      whole.push(b)
      for (const piece of cut(b, cuts)) pieces.push(piece)
      expect(pieces.fault).toBe(whole.fault)
    }), { numRuns: 500 })
  })
})

describe('the handshake', () => {
  const asked = { sizeBytes: 65536, inflight: 8 }
  test('gives the terms', () => {
    expect(termsOf(welcome(), 512, asked)).toEqual({ abilities: 133, sizeBytes: 65536, maxPayload: 2 ** 20, inflight: 8 })
    expect(termsOf(welcome({ sizeBytes: 0, maxPayload: 1500, inflight: 2 }), 512, asked)).toMatchObject({ sizeBytes: 65536, maxPayload: 1024, inflight: 2 })
    expect(termsOf(welcome({ sizeBytes: 4096 }), 512, { ...asked, sizeBytes: 0 })).toMatchObject({ sizeBytes: 4096 })
  })
  test.each([
    [{ version: 2 }, /speaks version 2/], [{ version: 0 }, /speaks version 0/], [{ abilities: 256 }, /abilities 0x100/], [{ abilities: 0xffffffff }, /abilities 0xffffffff/],
    [{ inflight: 0 }, /no request at all/], [{ maxPayload: 511 }, /holds no block/], [{ sizeBytes: 4096 }, /is to have 65536/], [{ sizeBytes: 2 ** 60 }, /its size is/],
  ])('%j is refused', (fields, reason) => {
    expect(termsOf(welcome(fields), 512, asked)).toMatch(reason)
  })
  test('arbitrary terms are fine or refused with a sentence', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (b) => {
      const t = termsOf(b, 512, asked)
      return typeof t === 'string' ? t.length > 10 : t.maxPayload >= 512 && t.maxPayload % 512 === 0 && t.inflight >= 1 && t.inflight <= 8
    }))
  })
})
