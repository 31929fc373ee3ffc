import { ceph, cluster } from './ceph'
import { wholeToolOn } from './test-tool'

const lack = ceph()
const made = lack === undefined ? cluster() : undefined

wholeToolOn('an image of Ceph', lack, async () => `rbd/${await made!.it.image('tool', '100M')}`)
