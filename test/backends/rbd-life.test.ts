import { resolve } from 'node:path'
import { Coalescing, loadCore } from '../../native'
import { LIBRADOS, LIBRBD, loadRbd } from '../../native/rbd'
import { ioTable } from '../../packages/host/src/io/table'
import { describeIf } from '../lib/requires'
import { run } from '../lib/run'
import { ceph, cluster } from './ceph'

const fixture = resolve(__dirname, 'fixtures/life.ts')
const cases = [
  'use', 'exit', 'exit-while-connecting', 'workers-one-after-another', 'workers-side-by-side', 'terminated-workers', 'session-closed-under-io', 'map-closed-under-io',
]

describeIf(ceph(), 'the addon of Ceph', () => {
  const made = cluster()
  beforeAll(() => made.it.image('life', '16M'))

  test.each(cases)('%s', async (name) => {
    const ended = await run(process.execPath, [resolve(__dirname, '../lib/ts.cjs'), fixture, name, made.it.conf, 'life'])
    expect({ code: ended.code, signal: ended.signal, stderr: ended.stderr }).toEqual({ code: 0, signal: null, stderr: '' })
    // Nothing of it is left that others would have to wait for.
    expect(await made.it.rbd('status', 'rbd/life')).toMatch(/Watchers: none/)
  })

  test('calls are refused by name and by what has to be there', async () => {
    const rbd = loadRbd()
    expect(rbd.load(LIBRADOS, LIBRBD)).toBeUndefined()
    const session = new rbd.Session(() => undefined)
    await expect(session.call('nothing')).rejects.toMatchObject({ code: 'ENOSYS', syscall: 'nothing' })
    await expect(session.call('create')).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(session.call('connect')).rejects.toMatchObject({ code: 'ENOTCONN' })
    await expect(session.call('stat')).rejects.toMatchObject({ code: 'ENOTCONN' })
    expect(() => session.call('create', 5 as unknown as string)).toThrow(expect.objectContaining({ name: 'TypeError' }) as Error)
    const closing = session.close()
    await expect(session.call('create', '')).rejects.toMatchObject({ code: 'EBADF' })
    await closing
    expect(() => new rbd.IoEngine(ioTable(1, 1), () => undefined, {}, Coalescing.NEVER)).toThrow(expect.objectContaining({ name: 'TypeError' }) as Error)
    const engine = new rbd.IoEngine(ioTable(1, 1), () => undefined, loadCore().memory, Coalescing.NEVER)
    for (const source of [session, {}, 5]) expect(() => engine.addFile(source as never)).toThrow(expect.objectContaining({ name: 'TypeError' }) as Error)
    engine.close()
  })
})
