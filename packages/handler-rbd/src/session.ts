import { access, constants } from 'node:fs/promises'
import { TcmuError } from '@tcmu/host/handler'
import type { NativeRbd, NativeSession } from '@tcmu/native/rbd'
import { type Place, specOf } from './place'

/** How long nobody may wait for a monitor, in seconds: Ceph's own is five minutes. */
const MOUNT_SECONDS = 30
/** More than an OSD may be silent before it is taken for dead. */
const MARGIN_SECONDS = 5

export const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code ?? (error as Error).message)

type Stage = 'readConf' | 'connect' | 'openPool' | 'open'
const user = ({ id }: Place): string => `client.${id || 'admin'}`
const confOf = ({ conf }: Place): string => conf || 'the default configuration file'

/** What to say when a stage fails: by errno name, else the last. */
const sentences: Readonly<Record<Stage, (p: Place) => Readonly<Record<string, string>>>> = {
  readConf: (p) => ({ ENOENT: `${confOf(p)} is not there; correct conf=`, other: `${confOf(p)} is no configuration of Ceph; correct it or conf=` }),
  connect: (p) => ({
    ETIMEDOUT: `no monitor of the cluster answers; see that it is up and that ${confOf(p)} names its monitors`,
    ENOENT: `${confOf(p)} names no monitor, or there is no keyring for ${user(p)}; correct conf= or id=`,
    EACCES: `the cluster does not let ${user(p)} in; see its keyring, or give another id=`,
    EPERM: `the cluster does not let ${user(p)} in; see its keyring, or give another id=`,
    other: `the cluster of ${confOf(p)} cannot be reached as ${user(p)}`,
  }),
  openPool: (p) => ({ ENOENT: `there is no pool ${p.pool}; correct the name, or make it: ceph osd pool create ${p.pool}`, other: `the pool ${p.pool} cannot be opened` }),
  open: (p) => ({
    ENOENT: p.snapshot ? `there is no ${specOf(p)}: no such image, or no such snapshot of it (rbd snap ls)` : `there is no image ${specOf(p)}; correct the name, or make it: rbd create ${specOf(p)} --size SIZE`,
    ETIMEDOUT: `the OSDs of pool ${p.pool} do not answer; see \`ceph -s\``,
    EPERM: `${user(p)} may not open ${specOf(p)}; give it the capability \`profile rbd\``,
    ESHUTDOWN: `the cluster has this host on its blocklist; see \`ceph osd blocklist ls\``,
    other: `${specOf(p)} cannot be opened`,
  }),
}

function explain(stage: Stage, place: Place, error: unknown): TcmuError {
  const code = codeOf(error)
  const rows = sentences[stage](place)
  return new TcmuError('E_RBD_OPEN', `${rows[code] ?? rows.other} (${code})`, { image: specOf(place), stage }, { cause: error })
}

async function step(stage: Stage, place: Place, session: NativeSession, ...texts: readonly string[]): Promise<void> {
  try {
    await session.call(stage, ...texts)
  } catch (error) {
    throw explain(stage, place, error)
  }
}

const seconds = async (session: NativeSession, key: string): Promise<number> => Number((await session.call('getConf', key))[0])

/**
 * How long an operation may take: what was asked for, or what the cluster is configured for, if an OSD that is only slow is not
 * given up for it; else a little more than that.
 */
export function opTimeout(asked: number | undefined, configured: number, silence: number): number {
  return [asked, configured].find((s) => s !== undefined && s > silence) ?? silence + MARGIN_SECONDS
}

/** What is read from a socket at once, where the configuration says nothing else. Each of a cluster's OSDs that is talked to has twice that. */
const PREFETCH = { key: 'ms_tcp_prefetch_max_size', usual: 4096, bytes: 16384 }

/** A reply with 4 KiB of data has 280 bytes more, which is a read of the socket more for each; of 32 under way, one read takes three replies. */
async function prefetch(session: NativeSession): Promise<void> {
  const { key, usual, bytes } = PREFETCH
  const [now] = await session.call('getConf', key).catch(() => [])
  if (Number(now) === usual) await session.call('setConf', key, String(bytes)).catch(() => undefined)
}

/** Settings that hold for this session, before it connects. What was made of `osd_op_timeout`. */
async function settle(session: NativeSession, place: Place, mountSeconds: number): Promise<number> {
  const silence = (await seconds(session, 'osd_heartbeat_grace')) + (await seconds(session, 'osd_heartbeat_interval'))
  const mount = Math.min(mountSeconds, await seconds(session, 'client_mount_timeout'))
  const timeout = opTimeout(place.osdOpTimeout, await seconds(session, 'rados_osd_op_timeout'), silence)
  const settings = {
    // Another host may write to the same image: nothing is kept here.
    rbd_cache: 'false', rados_osd_op_timeout: timeout, rados_mon_op_timeout: mount, client_mount_timeout: mount,
  }
  for (const [key, value] of Object.entries(settings)) await session.call('setConf', key, String(value))
  // What is asked for begins where it was asked for, which is a thread less to wake. Nothing waits there: not for an OSD that hangs, with
  // 3000 writes or 380 MiB under way, nor while a snapshot is made or the image resized. A library may do without the setting.
  await session.call('setConf', 'rbd_non_blocking_aio', 'false').catch(() => undefined)
  // Small transfers that follow each other reach the library as one: its scheduler, which joins writes, would find nothing, at a tenth of the
  // processor time of every other write.
  await session.call('setConf', 'rbd_io_scheduler', 'none').catch(() => undefined)
  await prefetch(session)
  return timeout
}

export interface Session {
  readonly native: NativeSession
  readonly readOnly: boolean
  /** Seconds. */
  readonly opTimeout: number
}

/** Opening for writing failed with one of these: the image can still be read. */
const writeRefused: ReadonlySet<string> = new Set(['EPERM', 'EACCES', 'EROFS'])

async function openImage(native: NativeSession, place: Place, readOnly: boolean): Promise<boolean> {
  const open = (how: string): Promise<void> => step('open', place, native, place.image, place.snapshot, how)
  if (readOnly || place.snapshot !== '') return open('read-only').then(() => true)
  try {
    return await open('').then(() => false)
  } catch (error) {
    if (!writeRefused.has(codeOf((error as Error).cause))) throw error
    return open('read-only').then(() => true)
  }
}

/** Connect to the cluster and open the image. Rejects with E_RBD_OPEN; nothing stays open then. */
export async function openSession(rbd: NativeRbd, place: Place, readOnly: boolean, onChange: () => void, mountSeconds = MOUNT_SECONDS): Promise<Session> {
  if (place.conf !== '') await access(place.conf, constants.R_OK).catch((error: unknown) => { throw explain('readConf', place, error) })
  const native = new rbd.Session(onChange)
  try {
    await native.call('create', place.id)
    await native.call('readConf', place.conf).catch((error: unknown) => {
      if (place.conf !== '') throw explain('readConf', place, error)
    })
    const timeout = await settle(native, place, mountSeconds)
    await step('connect', place, native)
    await step('openPool', place, native, place.pool, place.namespace)
    return { native, readOnly: await openImage(native, place, readOnly), opTimeout: timeout }
  } catch (error) {
    await native.close()
    throw error
  }
}
