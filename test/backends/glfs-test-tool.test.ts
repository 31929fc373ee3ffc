import { gluster, glusterLack } from './gluster'
import { MiB, volumes } from './glfs-lib'
import { wholeToolOn } from './test-tool'

const lack = glusterLack()
const node = lack === undefined ? gluster('vol') : undefined
const at = node && volumes(node)

wholeToolOn('a file of a Gluster volume', lack, async () => {
  await (await at!.make('tool.img', 100 * MiB)).device.close(1000)
  return `glfs/${at!.config('tool.img')}`
})
