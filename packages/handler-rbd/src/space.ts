import type { Space } from '@tcmu/host/handler'
import type { NativeSession } from '@tcmu/native/rbd'
import { ask } from './facts'

interface PoolUsage {
  readonly name: string
  /** Bytes, copies not counted; `quota_bytes` is 0 without a quota. */
  readonly stats: { readonly stored?: number; readonly max_avail?: number; readonly quota_bytes?: number }
}
interface ClusterUsage {
  readonly stats?: { readonly total_bytes?: number }
  readonly pools?: readonly PoolUsage[]
}

/** What a pool still takes, as the cluster's manager has counted; undefined without a manager. */
export function leftIn(pool: string, { stats, pools = [] }: ClusterUsage): number | undefined {
  const found = pools.find((p) => p.name === pool)?.stats
  if (!stats?.total_bytes || found?.max_avail === undefined) return undefined
  const { max_avail: room, stored = 0, quota_bytes: quota = 0 } = found
  return quota > 0 ? Math.max(0, Math.min(room, quota - stored)) : room
}

/** By whole objects: what the image has stored itself, and what it may still store. */
export async function spaceOf(native: NativeSession, pool: string): Promise<Space> {
  const [[used], [size], usage] = await Promise.all([native.call('used'), native.call('size'), ask(native, { prefix: 'df', detail: 'detail' })])
  const unused = Math.max(0, Number(size) - Number(used))
  return { used: Number(used), available: Math.min(unused, leftIn(pool, usage as ClusterUsage) ?? unused) }
}
