import { join } from 'node:path'

export interface ClusterOptions {
  /** `memory` loses everything with a SIGKILL of the OSD; `disk` takes some seconds more to make. Default `memory`. */
  readonly store?: 'memory' | 'disk'
  /** Asks for keys: `client.admin` may everything, `client.tcmu` what images need, `client.reader` only reads them. */
  readonly keys?: boolean
  /** Seconds after which an OSD that is silent counts as dead: what operations may take follows from it. Default 3. */
  readonly graceSeconds?: number
  /** Memory that the system keeps for what an OSD has not read yet, of each client. Left out: the system grows it to megabytes. */
  readonly receiveBytes?: number
  /** A manager besides, which counts what is stored and knows the services: some seconds and 300 MiB more. */
  readonly manager?: boolean
  /** Of monitor and OSD. Default 127.0.0.1, which a VM takes for itself. */
  readonly address?: string
}

const SIZE = 2 ** 30
const LEASE_SECONDS = 120

/** One monitor and one OSD at one address, everything below `folder`. */
export function cephConf(folder: string, fsid: string, { host, port }: { readonly host: string; readonly port: number }, { store = 'memory', keys = false, graceSeconds = 3, receiveBytes = 0 }: ClusterOptions): string {
  const auth = keys ? 'cephx' : 'none'
  const at = (name: string): string => join(folder, name)
  const files = (name: string): string[] => [`log file = ${at(`${name}.log`)}`, `admin socket = ${at(`${name}.asok`)}`, `pid file = ${at(`${name}.pid`)}`]
  return [
    '[global]', `fsid = ${fsid}`, `mon host = [v2:${host}:${port}/0]`, `auth cluster required = ${auth}`, `auth service required = ${auth}`, `auth client required = ${auth}`,
    `keyring = ${at('keyring')}`, `public addr = ${host}`, `cluster addr = ${host}`, 'ms bind ipv6 = false', 'ms bind msgr1 = false',
    `run dir = ${folder}`, `crash dir = ${at('crash')}`,
    // One copy of everything, on one OSD.
    'osd pool default size = 1', 'osd pool default min size = 1', 'osd pool default pg num = 8', 'osd pool default pgp num = 8',
    'osd pool default pg autoscale mode = off', 'osd crush chooseleaf type = 0', 'mon allow pool size one = true', 'mon allow pool delete = true',
    `osd heartbeat grace = ${graceSeconds}`, 'osd heartbeat interval = 1',
    // A lease to read outlives an OSD that hangs: where there is one copy, and a command comes before the lease is renewed, Ceph 16.2 keeps
    // that command and all that follow ("waiting for readable") until the OSD is started anew.
    `osd pool default read lease ratio = ${LEASE_SECONDS / graceSeconds}`,
    '[client]', `log file = ${at('client.$name.$pid.log')}`, 'admin socket =',
    '[mon]', `mon data = ${at('mon.a')}`, ...files('mon.a'), `mon cluster log file = ${at('cluster.log')}`, 'mon data avail warn = 1', 'mon data avail crit = 1',
    'mon warn on pool no redundancy = false', 'auth allow insecure global id reclaim = false',
    // Each change of the map waits for this long otherwise; making a pool is several.
    'paxos propose interval = 0.02', 'paxos min wait = 0.01',
    '[mgr]', `mgr data = ${at('mgr.x')}`, `keyring = ${at('mgr.x/keyring')}`, ...files('mgr.x'), 'mgr initial modules =', 'mgr stats period = 1',
    '[osd]', `ms tcp rcvbuf = ${receiveBytes}`, `osd data = ${at('osd.0')}`, `keyring = ${at('osd.0/keyring')}`, ...files('osd.0'), `osd objectstore = ${store === 'memory' ? 'memstore' : 'bluestore'}`,
    // Memory is written out at the end only when the end is not hurried.
    'osd fast shutdown = false', `memstore device bytes = ${SIZE}`, `bluestore block size = ${SIZE}`, 'bluestore block create = true',
    'bluestore cache autotune = false', 'bluestore cache size = 67108864', 'osd memory target = 939524096', 'osd op num shards = 2', 'osd op num threads per shard = 1', '',
  ].join('\n')
}
