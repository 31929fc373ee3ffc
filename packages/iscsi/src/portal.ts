import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { LogicalUnit } from '@tcmu/host/scsi'
import { BufferPool } from './buffers'
import { Connection, type ConnectionHost } from './connection'
import { quickest } from './digest'
import { PortalError } from './errors'
import { LoopPoll } from './loop-poll'
import { normalName } from './names'
import type { IscsiNexus } from './nexus'
import { checkOptions, type PortalLimits, type PortalLog, type PortalOptions } from './options'
import { QuietLog } from './quiet-log'
import { reservationObserver } from './reservations'
import { type LunObserver, RELATIVE_PORT, Target, targetPortName } from './target'

export interface PortalAddress {
  readonly address: string
  readonly port: number
}
export interface SessionInfo {
  readonly initiator: string
  readonly peer: string
  readonly connections: number
}

/** A listening iSCSI target with one portal group. */
export interface Portal {
  /** Bind and accept. Rejects with an error whose `code` is the errno name when the address cannot be bound. */
  listen(): Promise<PortalAddress>
  /** Accept nothing new, let commands under way end for up to `deadlineMs`, then close every connection. */
  close(deadlineMs: number): Promise<void>
  sessions(): readonly SessionInfo[]
  /** Sessions that there are get REPORTED LUNS DATA HAS CHANGED. Throws E_LUN_NUMBER or E_LUN_TAKEN. */
  addLun(number: number, lu: LogicalUnit): void
  /** Resolves when no session works on it any more. */
  removeLun(number: number): Promise<void>
}

const SWEEP_MS = 1000
const DRAIN_POLL_MS = 10
/** How long aborted commands may take to end once the connections are gone. */
const ABORT_GRACE_MS = 2000
const grace = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref())
const MAX_TSIH = 0xffff

class PortalServer implements Portal {
  private readonly target: Target
  private readonly limits: PortalLimits
  private readonly log: PortalLog
  private readonly quiet: QuietLog
  private readonly connections = new Set<Connection>()
  private readonly server: Server
  private readonly host: ConnectionHost
  private timer: NodeJS.Timeout | undefined
  private seconds = 0
  private tsih = 0
  private closing: Promise<void> | undefined

  constructor(private readonly options: PortalOptions, observers: readonly LunObserver[]) {
    const { targetName, chap, acl, limits } = checkOptions(options)
    this.limits = limits
    this.log = options.log
    this.quiet = new QuietLog(options.log)
    this.target = new Target(targetName, observers, options.portGroup)
    for (const [number, lu] of options.luns) this.target.addLun(number, lu)
    this.host = {
      target: this.target, policy: { targetName, chap, acl }, limits, buffers: new BufferPool(limits.bufferBytes), crc32c: quickest(options.crc32c), poll: new LoopPoll(options.pollMicros), log: this.quiet,
      tick: () => this.seconds, newTsih: () => (this.tsih = (this.tsih % MAX_TSIH) + 1),
      gone: (c) => void this.connections.delete(c), disconnectAll: () => this.disconnectAll('target cold reset'),
    }
    this.server = createServer((socket) => this.accept(socket))
  }

  private accept(socket: Socket): void {
    const all = [...this.connections]
    const strangers = all.filter((c) => c.loggingIn)
    if (this.closing || all.filter((c) => c.loggedIn).length >= this.limits.connections) {
      this.quiet.of(socket.remoteAddress ?? '?').warn(`${socket.remoteAddress}: refused, there are ${this.connections.size} connections`)
      socket.on('error', () => {})
      socket.destroy()
      return
    }
    // Who says nothing must not keep out who does: the one that has been at it longest makes room.
    if (strangers.length >= this.limits.logins) strangers[0]!.crowdedOut()
    this.connections.add(new Connection(socket, this.host))
  }

  async listen(): Promise<PortalAddress> {
    if (this.closing) throw new PortalError('E_PORTAL_CLOSED', { target: this.target.name })
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(this.options.port, this.options.address, () => {
        this.server.off('error', reject)
        this.server.on('error', (e) => this.log.error(`${this.target.name}: ${e.message}`))
        resolve()
      })
    })
    this.timer = setInterval(() => this.sweep(), SWEEP_MS)
    const { address, port } = this.server.address() as AddressInfo
    return { address, port }
  }

  private sweep(): void {
    this.seconds++
    for (const c of this.connections) c.sweep(this.seconds)
  }

  private disconnectAll(why: string): void {
    for (const c of this.connections) c.finish(why)
  }

  sessions(): readonly SessionInfo[] {
    return [...this.connections].filter((c) => c.session && !c.session.ended)
      .map((c) => ({ initiator: c.session!.nexus.initiator, peer: c.peer, connections: 1 }))
  }

  addLun(number: number, lu: LogicalUnit): void {
    this.target.addLun(number, lu)
  }
  removeLun(number: number): Promise<void> {
    return this.target.removeLun(number)
  }

  close(deadlineMs: number): Promise<void> {
    return (this.closing ??= this.shut(deadlineMs))
  }

  private async shut(deadlineMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => (this.server.listening ? this.server.close(() => resolve()) : resolve()))
    const deadline = Date.now() + deadlineMs
    for (const session of this.target.sessions) session.draining = true
    while (Date.now() < deadline && [...this.target.sessions].some((s) => s.tasks.size > 0)) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
    }
    const connections = [...this.connections]
    this.disconnectAll('the portal closes')
    const last = setTimeout(() => connections.forEach((c) => c.destroy()), Math.max(100, deadline - Date.now()))
    // A handler that does not let go of a command must not keep the portal.
    await Promise.race([Promise.all(connections.map((c) => c.ended())), grace(Math.max(0, deadline - Date.now()) + ABORT_GRACE_MS)])
    clearTimeout(last)
    clearInterval(this.timer)
    await closed
  }
}

/** Make a portal; nothing is bound before `listen`. Throws a PortalError when the options do not do. */
export function createPortal(options: PortalOptions): Portal {
  const { log, stateDir } = options
  const targetName = normalName(options.targetName)
  const reservations = reservationObserver({
    ...(stateDir !== undefined && { stateDir }),
    port: { relativeId: RELATIVE_PORT, groupName: targetPortName(targetName) },
    nexusInfo: (nexus) => {
      const { initiator, isid } = nexus as IscsiNexus
      return { initiatorName: initiator, isid, targetPort: targetPortName(targetName), relativePort: RELATIVE_PORT }
    },
    onStoreError: (lu, error) => log.error(`${lu.name}: ${error.message}`),
  })
  return new PortalServer(options, [reservations])
}
