import { isAbsolute, resolve } from 'node:path'
import type { MediumRequest } from '../control'
import { callSocket, defaultSocket } from '../control/socket'
import { tcmuError } from '../errors'
import type { Surroundings } from './options'

/** Opening an image can take as long as whatever it is kept on. */
const MOVE_MS = 60_000

export interface MediumFlags {
  readonly force?: boolean
  readonly socket?: string
}

/** Have a running host move a medium, and wait until that is done. */
export async function moveMedium(method: 'eject' | 'insert', request: MediumRequest, flags: MediumFlags, at: Surroundings, print: (line: string) => void): Promise<void> {
  const path = flags.socket ?? defaultSocket(at.env, at.uid)
  if (path === undefined) throw tcmuError('E_NOT_RUNNING', { path: '(no default socket)', reason: 'neither $XDG_RUNTIME_DIR nor /run/tcmu is there' })
  const { config } = request
  const absolute = config === undefined || isAbsolute(config) ? config : resolve(config)
  await callSocket(path, method, { ...request, ...(absolute !== undefined && { config: absolute }), force: flags.force === true }, MOVE_MS)
  print(method === 'eject' ? `the medium of ${request.device} is out` : `a medium is in ${request.device}`)
}
