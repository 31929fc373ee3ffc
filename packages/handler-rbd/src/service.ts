import { hostname } from 'node:os'
import type { NativeSession } from '@tcmu/native/rbd'
import { type Place, specOf } from './place'

/** By this name the cluster's dashboard looks for gateways. */
const SERVICE = 'tcmu-runner'

/** Appear in the cluster's service map, `ceph service dump`. */
export async function register(native: NativeSession, place: Place, imageId: string): Promise<void> {
  const metadata = { pool_name: place.pool, image_name: place.image, image_id: imageId, daemon_type: 'portal', daemon_prefix: hostname() }
  await native.call('register', SERVICE, `${hostname()}:${specOf(place)}`, ...Object.entries(metadata).flat())
  await tell(native, false)
}

export async function tell(native: NativeSession, lockOwner: boolean): Promise<void> {
  await native.call('updateStatus', 'lock_owner', String(lockOwner))
}
