import { Initiator } from '@tcmu/host/testing'
import { BLOCK, BLOCKS, ringCases } from '../lib/ring-cases'
import { describeIf } from '../lib/requires'
import { SgServer } from './sg-transport'
import { HOST, requiresKernelVm, RUN_MS, Vm } from './vm'

describeIf(requiresKernelVm(), 'a disk behind the real kernel', () => {
  const server = new SgServer()
  let vm: Vm
  beforeAll(async () => {
    const port = await server.listen()
    vm = new Vm({
      name: 'command-cases',
      script: `
        serve; exposed 0 disk file//tmp/disk.img ${BLOCKS * BLOCK}
        python3 /opt/tcmu/test/kernel/sg-agent.py ${HOST} ${port} $(ls -d /dev/sg* | head -n 1) || fail 'the agent failed'
        unlun 0; remove disk; end_daemon TERM; no_d_state`,
    })
    await Promise.race([server.met, vm.ended().then(() => Promise.reject(new Error('the VM ended without its agent')))])
  }, RUN_MS)
  afterAll(async () => {
    server.close()
    await vm.close()
  })

  for (const [name, run] of Object.entries(ringCases)) test(name, () => run({ initiator: new Initiator(server.send, BLOCK) }))

  test('the host and its device come to an end in order', async () => {
    server.close()
    await vm.ended()
  }, RUN_MS)
})
