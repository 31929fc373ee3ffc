import { TcmuError } from '@tcmu/host/handler'

/** Why an image is refused: code, what happened to which file, and what to do. Codes are listed in README.md. */
const sentences = {
  E_QCOW_MISSING: '{path} is not there. Images are made with QEMU\'s tool: qemu-img create -f qcow2 \'{path}\' SIZE',
  E_QCOW_FORMAT: '{path} is no qcow image: {reason}. Serve raw images with file/, or convert: qemu-img convert -O qcow2',
  E_QCOW_HEADER: '{path} has a damaged header: {reason}. `qemu-img check` says more; restore it from a copy',
  E_QCOW_ENCRYPTED: '{path} is encrypted ({reason}), which this handler does not do. Convert it: qemu-img convert, with its secret',
  E_QCOW_FEATURE: '{path} needs a feature that this handler does not know: {reason}. Use a newer version, or convert the image with qemu-img',
  E_QCOW_CORRUPT: '{path} is marked corrupt. Repair it with `qemu-img check -r all`, or serve it with the option readOnly',
  E_QCOW_DAMAGED: '{path} is damaged: {reason}. Stop writing to it, copy it, and run `qemu-img check -r all`',
  E_QCOW_DIRTY: '{path} was not closed and its reference counts cannot be made anew: {reason}. Run `qemu-img check -r all`',
  E_QCOW_SIZE: '{path} holds a disk of {imageBytes} bytes, and {device} is to have {sizeBytes}; {reason}',
  E_QCOW_BACKING: '{path}: its backing file {backing} cannot be used: {reason}',
  E_QCOW_CHAIN: '{path}: its backing files go round in a circle, or are more than {depth}: {reason}. Correct it with `qemu-img rebase -u`',
  E_QCOW_RESIZE: '{path} was not resized: {reason}',
} as const

export type QcowCode = keyof typeof sentences

/** Control characters and line ends, escaped: names come from the image. */
const oneLine = (s: string): string => s.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`)

export function refuse(code: QcowCode, facts: Readonly<Record<string, string | number>>, cause?: unknown): TcmuError {
  const sentence = sentences[code].replace(/\{(\w+)\}/g, (_, name: string) => oneLine(String(facts[name] ?? '?')))
  return new TcmuError(code, sentence, facts, cause === undefined ? undefined : { cause })
}

export const refusals: readonly QcowCode[] = Object.keys(sentences) as QcowCode[]

/** The image or the medium failed a command: the host answers by `code`, an errno name. */
export function ioFault(code: 'EIO' | 'ENOSPC' | 'EFBIG', path: string, reason: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}: ${oneLine(reason)}`), { code, path })
}
