import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PortGroupSource } from '../device'
import { reasonOf } from '../errors'
import type { HandlerLog } from '../handler/types'
import { type AccessState, type PortIdentity, tpgs } from '../scsi'
import { type KernelGroup, readGroups } from './alua'
import { type Roots, writeValue } from './configfs'
import { identityOfPort, type Port } from './ports'

/** The kernel tells nobody of changes to groups; tens of files are not read for every INQUIRY. */
const BELIEVED_MS = 1000
/** Longer than that no command waits for configfs. */
const PATIENCE_MS = 1000

const none: PortIdentity = Object.freeze({})

/** The target port groups of a kernel device: read from configfs when commands ask, states written back to it. */
export class KernelPortGroups implements PortGroupSource {
  groups: readonly KernelGroup[] = []
  /** What INQUIRY says of the port. */
  identity: PortIdentity = none
  private readAt = -Infinity
  private reading: Promise<void> | undefined
  private frozen = false
  private changed: () => void = () => undefined

  constructor(
    private readonly roots: Roots, private readonly folder: string, private readonly log: HandlerLog, private readonly now: () => number = () => performance.now(),
  ) {}

  /** Our group and port: the first one that is switched on. */
  private get ours(): { readonly group: KernelGroup; readonly port: Port } | undefined {
    for (const group of this.groups) {
      const port = group.members.find((p) => p.enabled)
      if (port) return { group, port }
    }
    return undefined
  }

  get own(): number | undefined {
    return this.ours?.group.id
  }
  get tpgs(): number {
    return this.ours?.group.kind ?? tpgs.NONE
  }
  get transitionSeconds(): number {
    return this.groups[0]?.transitionSeconds ?? 0
  }

  /** Portal group to switch off while the backend is away: ours, where the groups know of a port elsewhere. */
  get expendable(): string | undefined {
    const { ours } = this
    if (!ours) return undefined
    const elsewhere = this.groups.some((g) => g.members.some((p) => p.tpg !== ours.port.tpg))
    return elsewhere ? ours.port.tpg : undefined
  }

  watch(fn: () => void): void {
    this.changed = fn
  }

  refresh(): Promise<void> | undefined {
    if (this.frozen || this.now() - this.readAt < BELIEVED_MS) return undefined
    this.reading ??= this.read().finally(() => (this.reading = undefined))
    return Promise.race([this.reading, sleep(PATIENCE_MS, undefined, { ref: false })])
  }

  private async read(): Promise<void> {
    try {
      const groups = await readGroups(this.roots, this.folder)
      if (!this.frozen) this.take(groups)
    } catch (e) {
      this.log.warn(`${this.folder}/alua: ${reasonOf(e)}`)
    }
    this.readAt = this.now()
  }

  private take(groups: readonly KernelGroup[]): void {
    const before = this.tpgs
    this.groups = groups
    const { ours } = this
    this.identity = ours ? identityOfPort(ours.port, ours.group.id) : none
    if (this.tpgs !== before) this.changed()
  }

  async setState(id: number, state: AccessState, cause: number): Promise<boolean> {
    const group = this.groups.find((g) => g.id === id)
    if (!group || this.frozen) return false
    const write = (file: string, value: number): Promise<boolean> => writeValue(join(this.folder, 'alua', group.name, file), String(value))
    try {
      if (!(await write('alua_access_state', state)) || !(await write('alua_access_status', cause))) return false
    } catch (e) {
      this.log.warn(`port group ${group.name}: state ${state}: ${reasonOf(e)}`)
      return false
    }
    this.groups = this.groups.map((g) => (g.id === id ? { ...g, state, cause } : g))
    return true
  }

  /** configfs is not touched any more. */
  freeze(): void {
    this.frozen = true
  }
}
