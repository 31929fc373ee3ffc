import { Initiator } from '@tcmu/host/testing'
import { BLOCK, BLOCKS, ringCases } from '../lib/ring-cases'
import { describeIf } from '../lib/requires'
import { SgServer } from './sg-transport'
import { HOST, requiresKernelVm, Vm } from './vm'

const BOOT_MS = 900_000

describeIf(requiresKernelVm(), 'a disk behind the real kernel', () => {
  const server = new SgServer()
  let vm: Vm
  beforeAll(async () => {
    const port = await server.listen()
    vm = new Vm({
      name: 'command-cases',
      script: `
        serve; exposed 0 disk file//tmp/disk.img ${BLOCKS * BLOCK}
        python3 /opt/tcmu/test/kernel/sg-agent.py ${HOST} ${port} $(ls -d /dev/sg* | head -n 1) & agent=$!
        sleep 1; echo ready; wait $agent || fail 'the agent failed'
        unlun 0; remove disk; end_daemon TERM; no_d_state`,
    })
    await vm.said('ready')
  }, BOOT_MS)
  afterAll(async () => {
    server.close()
    await vm.close()
  })

  for (const [name, run] of Object.entries(ringCases)) test(name, () => run({ initiator: new Initiator(server.send, BLOCK) }))

  test('the host and its device come to an end in order', async () => {
    server.close()
    await vm.ended()
  }, BOOT_MS)
})
