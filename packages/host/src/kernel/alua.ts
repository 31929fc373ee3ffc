import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { accessState, type AccessState, isAccessState, type PortGroup, tpgs } from '../scsi'
import { readText, type Roots } from './configfs'
import { type Port, portOf } from './ports'

/** A group that every port is in unless it is put into another one; it says nothing of access. */
const DEFAULT_GROUP = 'default_tg_pt_gp'

/** `alua_access_type`, and what initiators are told of it. Without a type states are the kernel's to change. */
const kinds: ReadonlyMap<string, number> = new Map([
  ['None', tpgs.IMPLICIT], ['Implicit', tpgs.IMPLICIT], ['Explicit', tpgs.EXPLICIT], ['Implicit and Explicit', tpgs.BOTH],
])
/** `alua_access_status`, as STATUS CODE. */
const causes: ReadonlyMap<string, number> = new Map([['None', 0], ['Altered by Explicit STPG', 1], ['Altered by Implicit ALUA', 2]])

const supportFiles: readonly (readonly [file: string, state: AccessState])[] = [
  ['alua_support_active_optimized', accessState.OPTIMIZED], ['alua_support_active_nonoptimized', accessState.NON_OPTIMIZED],
  ['alua_support_standby', accessState.STANDBY], ['alua_support_unavailable', accessState.UNAVAILABLE],
  ['alua_support_lba_dependent', accessState.LBA_DEPENDENT], ['alua_support_offline', accessState.OFFLINE],
  ['alua_support_transitioning', accessState.TRANSITIONING],
]

/** One target port group of a device as configfs has it. */
export interface KernelGroup extends PortGroup {
  readonly name: string
  /** A value of `tpgs`. */
  readonly kind: number
  readonly transitionSeconds: number
  readonly members: readonly Port[]
}

/** Attributes end in a line feed or not, and lists of members in zero bytes. */
const textOf = async (path: string): Promise<string | undefined> => (await readText(path))?.replace(/[\n\0]+$/, '')
async function numberOf(path: string): Promise<number | undefined> {
  const text = (await textOf(path))?.trim()
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

/** `fabric/wwn/tpgt_N/lun_M`, one a line; the first of a folder that has no such ports is left out. */
export function memberLines(text: string): string[] {
  return text.split(/[\n\0]+/).filter((line) => line !== '')
}

async function readGroup(roots: Roots, folder: string, name: string): Promise<KernelGroup | undefined> {
  const at = (file: string): string => join(folder, name, file)
  const [id, state, status, type, preferred, seconds, members, ...supports] = await Promise.all([
    numberOf(at('tg_pt_gp_id')), numberOf(at('alua_access_state')), textOf(at('alua_access_status')), textOf(at('alua_access_type')),
    numberOf(at('preferred')), numberOf(at('implicit_trans_secs')), textOf(at('members')),
    ...supportFiles.map(([file]) => numberOf(at(file))),
  ])
  // A group without a number is being made.
  if (id === undefined || state === undefined || !isAccessState(state)) return undefined
  const ports = await Promise.all(memberLines(members ?? '').map((line) => portOf(roots, line)))
  const found = ports.filter((p) => p !== undefined)
  return {
    name, id, state, members: found,
    kind: kinds.get(type ?? '') ?? tpgs.IMPLICIT,
    cause: causes.get(status ?? '') ?? 0,
    preferred: preferred === 1,
    transitionSeconds: seconds ?? 0,
    supported: new Set(supportFiles.filter((_, i) => supports[i] === 1).map(([, s]) => s)),
    ports: found.map((p) => p.relativePort).filter((n) => n !== undefined),
  }
}

/** The target port groups that an administrator made for a device, by ascending number. */
export async function readGroups(roots: Roots, deviceFolder: string): Promise<KernelGroup[]> {
  const folder = join(deviceFolder, 'alua')
  const names = (await readdir(folder, { withFileTypes: true }).catch(() => [])).filter((e) => e.isDirectory() && e.name !== DEFAULT_GROUP)
  const groups = await Promise.all(names.map((e) => readGroup(roots, folder, e.name)))
  return groups.filter((g) => g !== undefined).sort((a, b) => a.id - b.id)
}
