import { callSocket, defaultSocket } from '../control'
import { createHost } from '../host'
import type { Inventory } from '../plugins'
import { type HandlerFlags, handlerOptions, type Surroundings } from './options'
import { table } from './table'

type Print = (line: string) => void

/** A list does not wait for a host that is busy. */
const ASK_MS = 2000

export interface ListFlags extends HandlerFlags {
  readonly json?: boolean
  readonly socket?: string
}

function printHandlers({ handlers, disabled, refused }: Inventory, print: Print): void {
  if (handlers.length) {
    const rows = handlers.map((h) => [h.subtype, h.shape, `${h.package}@${h.version}`, h.configHelp.split('\n', 1).join()])
    for (const line of table([['SUBTYPE', 'SHAPE', 'PACKAGE', 'CONFIGURATION'], ...rows])) print(line)
  } else print('no handlers')
  for (const d of disabled) print(`found, disabled: ${d.subtype} (${d.shape}) of ${d.package}@${d.version}; to enable it: ${d.command}`)
  for (const warning of handlers.flatMap((h) => h.warnings)) print(`warning: ${warning}`)
  for (const r of refused) print(`refused: ${r.message}`)
}

/** Where a running host has other code than is there; nothing when none answers at once. */
async function staleLines(flags: ListFlags, at: Surroundings): Promise<string[]> {
  const path = flags.socket ?? defaultSocket(at.env, at.uid)
  if (path === undefined) return []
  try {
    const { handlers } = await callSocket(path, 'handlers', {}, ASK_MS) as Inventory
    return handlers.flatMap((h) => [
      ...(h.restartFor === undefined ? [] : [`restart needed: ${h.package}@${h.restartFor} is installed, and the running host has ${h.version} in its own process`]),
      ...(h.withdrawn === undefined ? [] : [`in use only: the running host opens no new devices of ${h.subtype}`]),
    ])
  } catch (e) {
    if (flags.socket === undefined) return []
    throw e
  }
}

/** What handlers this machine has, what is disabled, and what was refused and why. Runs no code of theirs. */
export async function listHandlers(flags: ListFlags, at: Surroundings, print: Print): Promise<void> {
  const inventory = createHost(handlerOptions(flags, at)).handlers()
  if (flags.json) return print(JSON.stringify(inventory, undefined, 2))
  printHandlers(inventory, print)
  for (const line of await staleLines(flags, at)) print(line)
}
