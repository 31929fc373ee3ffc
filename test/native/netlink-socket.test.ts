import { Ctrl, decodeMessages, encodeMessage, NlFlag, NlType, payload, valueOf } from '../../packages/host/src/kernel/netlink'
import { loadNative, type NativeNetlinkSocket } from '../../packages/host/src/platform'

const native = loadNative()
const open: NativeNetlinkSocket[] = []
const socket = (): NativeNetlinkSocket => {
  const s = new native.NetlinkSocket(4 * 2 ** 20)
  open.push(s)
  return s
}
afterEach(() => open.splice(0).forEach((s) => s.close()))
const never = (e: Error): void => { throw e }
const getFamily = (name: string, seq: number): Uint8Array =>
  encodeMessage({ type: Ctrl.FAMILY, flags: NlFlag.REQUEST | NlFlag.ACK, seq, cmd: Ctrl.GETFAMILY, version: 1, attributes: [[Ctrl.ATTR_FAMILY_NAME, payload.text(name)]] })

/** The controller is a family itself: every kernel with generic netlink answers for it. */
test('asks the kernel for a family, and gets its number and an acknowledgement', async () => {
  const s = socket()
  const messages = new Promise<ReturnType<typeof decodeMessages>>((resolve) => {
    const all: ReturnType<typeof decodeMessages> = []
    s.start((datagrams, overrun) => {
      expect(overrun).toBe(false)
      all.push(...datagrams.flatMap((d) => decodeMessages(d)))
      if (all.some((m) => m.type === NlType.ERROR)) resolve(all)
    }, never)
  })
  s.send(getFamily('nlctrl', 7))
  const [reply, ack] = await messages
  expect(valueOf.u16(reply!.attributes, Ctrl.ATTR_FAMILY_ID)).toBe(Ctrl.FAMILY)
  expect(ack).toMatchObject({ seq: 7, error: 0 })
})

test('a family that nobody has', async () => {
  const s = socket()
  const error = new Promise((resolve) => s.start(([d]) => resolve(decodeMessages(d!)[0]!.error), never))
  s.send(getFamily('no-such-family', 1))
  expect(await error).toBe(-2)
})

test('wrong arguments and a closed socket are errors, closing twice is not', () => {
  const s = socket()
  expect(() => s.send('text' as never)).toThrow(/takes a Uint8Array/)
  expect(() => s.start(1 as never, never)).toThrow(/takes two functions/)
  expect(() => s.join(-1)).toThrow(/group must be an integer/)
  expect(() => s.join(1_000_000)).toThrow(/^E/)
  expect(() => new native.NetlinkSocket(-1)).toThrow(/receiveBuffer must be/)
  s.close()
  s.close()
  expect(() => s.send(new Uint8Array(16))).toThrow(/EBADF/)
  expect(() => s.start(() => undefined, never)).toThrow(/EBADF/)
})

test('closing from inside the callback ends the calls', async () => {
  const s = socket()
  let calls = 0
  s.start(() => {
    calls++
    s.close()
  }, never)
  s.send(getFamily('nlctrl', 1))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(calls).toBe(1)
})
