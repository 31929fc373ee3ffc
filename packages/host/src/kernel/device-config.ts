import { type Cfgstring, parseCfgstring } from '../control/cfgstring'

/** What a UIO name says (`tcm-user/HBA/NAME/CFGSTRING`). */
export interface UioName {
  readonly hba: number
  /** Folder below `user_HBA` in configfs. */
  readonly device: string
  /** `SUBTYPE/REST` as the administrator wrote it; empty when no dev_config was given. */
  readonly cfgstring: string
}

const NAME = /^tcm-user\/(\d{1,10})\/([^/]+)(?:\/([\s\S]*))?$/

/** Take a UIO name apart; undefined when it is none of TCMU. Line ends after it (sysfs adds one) do not count. */
export function parseUioName(text: string): UioName | undefined {
  const [, hba, device, cfgstring = ''] = NAME.exec(text.replace(/\n+$/, '')) ?? []
  if (hba === undefined || device === undefined || device === '.' || device === '..' || device.includes('\0')) return undefined
  return { hba: Number(hba), device, cfgstring }
}

export interface DeviceConfig extends Cfgstring {
  /** Seconds; what `tcmur_cmd_time_out` said. */
  readonly commandTimeout: number | undefined
}

const OPTION = /;tcmur_cmd_time_out=(\d{1,9})(?=;|$)/g

/** Handler, its configuration and the options that are for the daemon, which the handler does not see. Throws E_CFGSTRING. */
export function parseDeviceConfig(cfgstring: string): DeviceConfig {
  const text = cfgstring.replace(/\n+$/, '')
  const found = [...text.matchAll(OPTION)].at(-1)?.[1]
  const rest = text.replace(OPTION, '')
  return { ...parseCfgstring(rest.includes('/') ? rest : `${rest}/`), commandTimeout: found === undefined ? undefined : Number(found) }
}
