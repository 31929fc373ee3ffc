import { type BackendLock, type LockHolder, Status } from '@tcmu/host/handler'
import type { NativeSession } from '@tcmu/native/rbd'
import { tell } from './service'
import { codeOf } from './session'

/** Who took the lock, and for which target port group: metadata of the image. */
const TAG_KEY = 'tcmu_rbd_locker_tag'
const EXCLUSIVE = '0'
/** Another host may come between; three in a row are no accident. */
const ATTEMPTS = 3

const failures: Readonly<Record<string, Status>> = { ESHUTDOWN: Status.FENCED, ENOENT: Status.NO_LOCK_HOLDERS, ETIMEDOUT: Status.TIMEOUT, ENOMEM: Status.NO_RESOURCE }

/** What failed for one of these reasons is an answer; anything else the host logs. */
async function attempt<T>(work: () => Promise<T>): Promise<T | Status> {
  try {
    return await work()
  } catch (error) {
    const status = failures[codeOf(error)]
    if (status === undefined) throw error
    return status
  }
}

const isOwner = async (native: NativeSession): Promise<boolean> => (await native.call('isLockOwner'))[0] === '1'

/** The client that has it; undefined when nobody does. */
async function ownerOf(native: NativeSession): Promise<string | undefined> {
  try {
    const [mode, owner] = await native.call('lockOwners')
    if (mode !== EXCLUSIVE) throw new Error(`the image has a shared lock`)
    return owner
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Take it from whoever has it: the cluster shuts that client out first, so that nothing it sent lands later. */
async function take(native: NativeSession): Promise<void> {
  for (let left = ATTEMPTS; ; left--) {
    const owner = await ownerOf(native)
    if (owner !== undefined) await native.call('breakLock', owner).catch((error: unknown) => { if (codeOf(error) !== 'ENOENT') throw error })
    try {
      return void (await native.call('acquireLock'))
    } catch (error) {
      if (codeOf(error) !== 'EROFS' || left === 1) throw error
    }
  }
}

export const tagText = (tag: number, client: string): string => `tcmu_tag=${tag},rbd_client=${client}`

/** The tag in the metadata, if the present holder wrote it. */
export function tagIn(text: string, holder: string): number | undefined {
  const found = /^tcmu_tag=([0-9]{1,5}),rbd_client=(.+)$/.exec(text)
  return found && found[2] === holder ? Number(found[1]) : undefined
}

export const lock = (native: NativeSession, tag: number | undefined): Promise<Status> => attempt(async () => {
  if (!(await isOwner(native))) await take(native)
  if (tag !== undefined) {
    const owner = await ownerOf(native)
    if (owner === undefined || !(await isOwner(native))) return Status.FENCED
    await native.call('setMetadata', TAG_KEY, tagText(tag, owner))
  }
  await tell(native, true).catch(() => undefined)
  return Status.OK
})

export const unlock = (native: NativeSession): Promise<Status> => attempt(async () => {
  if (await isOwner(native)) await native.call('releaseLock')
  await tell(native, false).catch(() => undefined)
  return Status.OK
})

export async function lockState(native: NativeSession): Promise<BackendLock> {
  try {
    return (await isOwner(native)) ? 'locked' : 'unlocked'
  } catch (error) {
    return codeOf(error) === 'ESHUTDOWN' ? 'unlocked' : 'unknown'
  }
}

/** The tag is written after the lock was taken: until it is the holder's, nobody is. */
export const lockHolder = (native: NativeSession): Promise<LockHolder | Status> => attempt(async () => {
  const owner = await ownerOf(native)
  if (owner === undefined) return Status.NO_LOCK_HOLDERS
  const [text = ''] = await native.call('getMetadata', TAG_KEY)
  const tag = tagIn(text, owner)
  return tag === undefined ? Status.NO_LOCK_HOLDERS : { tag }
})
