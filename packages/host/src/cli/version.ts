import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HANDLER_API_VERSION } from '../handler/version'

/** Version of the host's own package. */
export function hostVersion(): string {
  const json = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as { version: string }
  return json.version
}

export interface Versions {
  readonly host: string
  readonly handlerApi: string
  readonly node: string
}

export const versions = (): Versions => ({ host: hostVersion(), handlerApi: HANDLER_API_VERSION, node: process.versions.node })
