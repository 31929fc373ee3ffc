const refused = 'package {package} in {path}: {field}: wanted {wanted}, found {found}'
const setting = '{file}: {key}: wanted {wanted}, found {found}'

/** Every error of the host that a person reads: what happened, to what, and what to do. Codes are API. */
export const errorTable = {
  E_ADDON_MISSING: 'the native addon is not built: {reason}. Run `npm run build:native` (needs python3, make and g++)',
  E_ADDON_VERSION: 'the native addon speaks version {found}, this host needs {wanted}. Run `npm run build:native`',

  // Packages of handlers and filters: why one is not used. Facts: package, path, field, wanted, found.
  E_HANDLER_PATH: `${refused}. Correct the path, or make what it names`,
  E_HANDLER_UNSAFE_PATH: `${refused}. The host runs as root and loads code only from folders that nobody else can change`,
  E_HANDLER_PACKAGE_JSON: `${refused}. Install the package again, or report it to its authors`,
  E_HANDLER_NO_MANIFEST: `${refused}. The package has the keyword but does not describe itself`,
  E_HANDLER_NO_KEYWORD: `${refused}. The package describes itself but lacks the keyword`,
  E_HANDLER_MANIFEST: `${refused}. Report it to the authors of the package`,
  E_HANDLER_API: `${refused}. Install a version of the package, or of the host, that fits the other`,
  E_HANDLER_REQUIRES: `${refused}. Install what it requires, or a version of the package that does not`,
  E_HANDLER_OPTIONS_SCHEMA: `${refused}. Report it to the authors of the package`,
  E_HANDLER_ENTRY: `${refused}. Install the package again or build it; else report it to its authors`,
  E_HANDLER_DUPLICATE: `${refused}. The first one found is used; remove one of them`,
  E_HANDLER_VETOED: `${refused}. The program that runs this host keeps it out`,
  E_HANDLER_IMPORT: `${refused}. The code was loaded and failed; report it to the authors of the package`,
  E_HANDLER_MISMATCH: `${refused}. The manifest and the code disagree; report it to the authors of the package`,
  E_HANDLER_ENGINE: `${refused}. It is used all the same`,
  E_HANDLER_DISABLED: 'package {package} in {path} is found, disabled: nothing of it is used until `{command}` enables it',
  E_HANDLER_CHANGED: `${refused}. If that is meant, \`{command}\` enables it as it is now`,
  E_HANDLER_FILES: `${refused}. What cannot be fingerprinted is not enabled; report it to the authors of the package`,
  E_HANDLER_TRUST_FILE: `${refused}. It says what is enabled in this handler root, and nothing is until it is mended; or remove it, and enable again what you trust`,
  E_HANDLER_SHAPE: 'handler {handler}: {reason}',
  E_UNKNOWN_SUBTYPE: 'no handler {subtype}; this host has {known}. `tcmu-host handlers` lists them and says what was refused',

  // Installing handlers.
  E_PACKAGE_TEXT: '{text} is nothing that can be installed: {reason}. Give NAME, NAME@RANGE, a tarball (./x.tgz) or a folder (./x)',
  E_NO_PACKAGE: '{name}: {reason}. `tcmu-host handlers` lists what there is',
  E_NPM: 'npm {what} in {root}: {reason}',
  E_INSTALL_ROOT: 'the handler root {root}: {reason}',

  // Files that handlers open.
  E_FILE_PATH: '{path} cannot name a file: {reason}. Give an absolute path, as in file//srv/disk0.img',
  E_FILE_KIND: '{path} is {kind}; a LUN is kept in a regular file or on a block device',
  E_FILE_FOLDER: '{path}: there is no folder {folder}. Make it, or correct the path',
  E_FILE_LOCKED: '{path} is in use: another LUN or program has it open for writing, or it is mounted',
  E_FILE_DIRECT: '{path}: its file system has no direct I/O. Leave `direct` out, or keep the LUN elsewhere',
  E_IO_ENGINE: '{reason}, and file I/O was to go through it. Use --io-engine auto or threads, or allow io_uring',

  // Devices. Facts: device, cfgstring, reason.
  E_CONFIG_REFUSED: 'device {device}: {cfgstring}: {reason}',
  E_DEVICE_GEOMETRY: 'device {device} ({cfgstring}): {reason}',
  E_DEVICE_STATE: 'device {device}: {file}: {reason}. It holds the mode parameters that initiators saved; restore the file, or remove it to start with defaults',
  E_DECLARE_LATE: 'device {device}: {cfgstring} called declare() after open; call it while open runs',

  E_DEVICE_HOST: '{reason}. The log of the host says what its handler did before',
  E_FILTER: 'filter {filter}: {reason}. `tcmu-host filters` lists those there are and their options',
  E_FILTER_OPTIONS: 'device {device}: filter {filter}: {key}: wanted {wanted}, found {found}. `tcmu-host filters` lists the options',
  E_PLACEMENT: '{text} is no placement; write SUBTYPE= and one of {known}, as in file=process',

  // Configuration. Facts: file, key, wanted, found.
  E_CONFIG_FILE: '{file}: {reason}',
  E_CONFIG: setting,
  E_OPTIONS: 'device {device} ({subtype}): option {key}: wanted {wanted}, found {found}',
  E_SIZE: '{text} is not a size: {reason}. Examples: 512, 64M, 1G, 2TiB',
  E_CFGSTRING: '{text} is not a cfgstring: {reason}. It is SUBTYPE/REST, for example file//srv/disk.img',
  E_LUN_TEXT: '--lun {text}: {reason}. It is name=NAME,size=SIZE,cfgstring=SUBTYPE/REST; cfgstring is last and takes the rest of the text',
  E_PORTAL_ADDRESS: '{text} is not an address to listen on: {reason}. Examples: 127.0.0.1:3260, [::1]:3260',
  E_PORTAL_OPEN: '{address} can be reached from other machines, and the portal would let anyone in. Give --chap-user and --chap-secret-file, or --allow-open-portal if that is meant',
  E_TARGET_NAME: '{text} is not an iSCSI name: {reason}. Example: iqn.2026-11.host.tcmu:default',
  E_CHAP: 'CHAP: {reason}. Users and secret files come in pairs: --chap-user with --chap-secret-file, and on top of these --chap-mutual-user with --chap-mutual-secret-file; or `chap` in a configuration file',
  E_SECRET_FILE: 'CHAP secret file {file}: {reason}. It is a file with one line, the secret, that only its owner can read (chmod 600)',
  E_NO_LUNS: 'there is nothing to serve. Give --lun name=disk0,size=64M,cfgstring=file//srv/disk0.img, or `luns` in a configuration file',

  // Run time.
  E_DEVICE_OPEN: 'device {device} ({cfgstring}) did not open: {reason}',
  E_DEVICES: '{count} devices did not open: {devices}. The first: {first}',
  E_FRONT_END: 'the {frontend} front end did not load: {reason}',
  E_PORTAL_LISTEN: 'the portal cannot listen on {address}: {reason}',
  E_SOCKET: 'the control socket {path}: {reason}',
  E_INSTALL: '{path} was not written: {reason}',
  E_LOG_DIR: 'the folder of logs {directory}: {reason}. Name another one with --tcmu-log-dir, TCMU_LOGDIR or log_dir',
  E_NOFILE: '--nofile {text}: {reason}',
  E_DBUS_ADDRESS: '{text} is not the address of a message bus: {reason}. Example: unix:path=/run/dbus/system_bus_socket',
  E_NOT_RUNNING: 'no tcmu-host answers on {path}: {reason}. Start one with `tcmu-host serve`, or name its socket with --socket',
  E_NO_DEVICE: 'this host has no device {device}; `tcmu-host devices` lists them',
  E_NOT_PULLED: 'device {device}: its handler {subtype} answers by itself, there is nothing to pull. Make the handler with pulled() and give it to createHost as one of `handlers`',
  E_NOT_HERE: 'device {device} runs in the process of its handler {subtype}, and the program has no more of it than ask(), its state and its counters. For more, give createHost the placement inline for {subtype}',
  E_COMMAND_OVER: '{command} of device {device} is over: {how}. A command is completed once, and not used after that',
  E_MEDIUM_FIXED: 'device {device} is one of the handler {handler}, whose devices have no medium that can be changed',
  E_MEDIUM_REQUEST: 'the medium was not changed: {reason}',
  E_ZONES: '{device}: {reason}',
  E_STOP: 'stopping: {part}: {reason}',
  E_FRONT_END_CHOICE: '{what}: {reason}',

  // The kernel front end.
  E_ALREADY_RUNNING: 'another TCMU daemon runs here: it holds {path}. Stop it first; `fuser {path}` names it',
  E_KERNEL_MODULE: 'the kernel module {module} is not loaded, and modprobe could not load it: {reason}',
  E_CONFIGFS: '{folder} is not there. Mount configfs: mount -t configfs none {path}',
  E_NETLINK: 'netlink: {what}: {reason}',
  E_KERNEL_ATTRIBUTE: 'device {device}: {file}: {reason}',
  E_UIO_BUSY: '{path}: another process has it open, and did not let go of it in {seconds} s. End it; `fuser {path}` names it',
  E_RING_MAILBOX: '{ring}: the shared memory is no TCMU ring: {reason}. Is it a tcm-user device, and the kernel 4.18 or later?',
  E_RING_BROKEN: '{ring}: the ring is corrupt: {reason}. Nothing more is taken from it; reset it (action/reset_ring) and reopen the device',
  E_RING_NOT_IN_FLIGHT: '{ring}: command {id} was completed, but it is not in flight; it was completed twice. This is a bug of the host',
} as const
export type ErrorCode = keyof typeof errorTable | (string & {})

/** An error with a stable code; `message` is `E_CODE: sentence`. Facts for programs are in `facts`. */
export class TcmuError extends Error {
  constructor(readonly code: ErrorCode, sentence: string, readonly facts: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super(`${code}: ${sentence}`, options)
    this.name = 'TcmuError'
  }
}

/** Make the error of a row of the table, its `{names}` replaced by `facts`. */
export function tcmuError(code: keyof typeof errorTable, facts: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions): TcmuError {
  const sentence = errorTable[code].replace(/\{(\w+)\}/g, (_, name: string) => oneLine(textOf(facts[name])))
  return new TcmuError(code, sentence, facts, options)
}

const textOf = (fact: unknown): string => (typeof fact === 'string' ? fact : fact === undefined ? '?' : JSON.stringify(fact))

/** Control characters, line ends and marks that change the direction of text, escaped: what others wrote stays one line. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`)
}

const MAX_QUOTE = 120
const MAX_QUOTED_VALUES = 1000

/** A value of others as it goes into a message: JSON, one line, cut when long. */
export function quote(value: unknown): string {
  if (value === undefined) return 'nothing'
  let left = MAX_QUOTED_VALUES
  let text: string
  try {
    text = JSON.stringify(value, (_, v: unknown) => {
      if (--left < 0) throw new RangeError('too much to quote')
      return v
    }) ?? typeof value
  } catch {
    text = typeof value
  }
  return oneLine(text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE)}…` : text)
}

/** The first line of what was thrown, cut when long. Never throws. */
export function reasonOf(error: unknown): string {
  const { message, name } = (error ?? {}) as { message?: unknown; name?: unknown }
  const said = [message, name, error].find((t) => typeof t === 'string' && t !== '') as string | undefined
  const text = said ?? quote(error)
  const line = text.split(/[\r\n]/, 1).join()
  return line.length > MAX_QUOTE * 4 ? `${line.slice(0, MAX_QUOTE * 4)}…` : line
}
