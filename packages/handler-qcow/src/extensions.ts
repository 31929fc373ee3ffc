import { cString, Extension, ExtensionType, FeatureName } from './format'

/** A header extension as it is in the file. */
export interface ExtensionPart {
  readonly type: number
  /** Position of its data in the file. */
  readonly at: number
  readonly data: Uint8Array
}

/** `header`: the first cluster, up to the backing name. `check` throws with what is wrong. */
export function extensionsOf(header: Uint8Array, from: number, check: (ok: boolean, reason: string) => void): ExtensionPart[] {
  const parts: ExtensionPart[] = []
  for (let at = from; at + Extension.size <= header.length; ) {
    const { type, length } = Extension.decode(header, at)
    if (type === ExtensionType.END) break
    const data = at + Extension.size
    check(length <= header.length - data, `extension ${type.toString(16)} is longer than the first cluster`)
    parts.push({ type, at: data, data: header.slice(data, data + length) })
    at = data + Math.ceil(length / 8) * 8
  }
  return parts
}

/** The image's own names of feature bits of one kind (0 incompatible, 1 compatible, 2 autoclear), by bit. */
export function featureNames(extensions: readonly ExtensionPart[], kind: number): Map<number, string> {
  const names = new Map<number, string>()
  const table = extensions.find((e) => e.type === ExtensionType.FEATURE_NAMES)?.data ?? new Uint8Array(0)
  for (let at = 0; at + FeatureName.size <= table.length; at += FeatureName.size) {
    const record = FeatureName.decode(table, at)
    if (record.kind === kind) names.set(record.bit, cString(record.name))
  }
  return names
}
