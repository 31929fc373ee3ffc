import { Command, Option } from 'commander'
import { ioEngineNames } from '../control/names'
import { traced } from '../dev/traced'
import type { CheckFlags } from './check'
import { commands } from './commands'
import type { DevFlags } from './dev'
import type { DevicesFlags } from './devices'
import { installsHandlers, picksHandlers, ROOT_FLAG } from './handler-commands'
import type { ListFlags } from './handlers'
import { examples, filterHelp, handlerHelp, lunHelp } from './help'
import type { InstallFlags } from './install'
import type { MediumFlags } from './medium'
import type { ServeFlags, Surroundings } from './options'
import type { TestFlags } from './test'
import { hostVersion } from './version'
import type { ZonesFlags } from './zones'

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value]
const print = (line: string): void => void process.stdout.write(`${line}\n`)

const looksAtHandlers = (c: Command): Command => c
  .option(...ROOT_FLAG)
  .option('--handler-path <folder>', 'folder of handler packages, or one package; may be repeated', collect, [])
  .option('--config <file>', 'configuration file, JSON, YAML or *.conf (default: host.json or host.yaml in /etc/tcmu or ~/.config/tcmu, over /etc/tcmu/tcmu.conf)')
  .option('--placement <text>', 'SUBTYPE= and inline, worker or process: where its code runs; may be repeated (default: inline for handlers of this host, but for those of shared libraries, rbd and glfs; process for others)', collect, [])
  .option('--log-level <level>', '0 to 5, or crit, error, warning, info, debug, debug-scsi-cmd (default: info)')

const allowsFilters = (c: Command): Command => c
  .option('--inline-filter <name>', "a filter that did not come with the host and whose code may run in the host's own process; may be repeated", collect, [])

const picksFrontEnd = (c: Command): Command => c
  .addOption(new Option('--frontend <name>', 'who asks the devices: the kernel (tcmu: LIO, targetcli), initiators over TCP (iscsi), or whichever fits (auto)').choices(['auto', 'tcmu', 'iscsi']).default('auto'))
  .option('--no-netlink', 'tcmu: serve the devices that are there, hear of no others')
  .addOption(new Option('--foreign <policy>', 'tcmu: devices of subtypes that no handler here has: refuse them, or leave them to another daemon').choices(['reject', 'ignore']).default('reject'))
  .addOption(new Option('--reset-ring <policy>', 'tcmu: commands that a former daemon left unanswered: initiators try them again, or they fail').choices(['retry', 'fail']).default('retry'))
  .option('--poll-us <n>', 'microseconds that rings, or sockets of the portal, are looked at before sleeping, while commands come quickly; 0: never (default: 50 for rings, 100 for sockets; 0 on one processor)')

/** Flags of the C daemon, and the message bus. */
const isDaemon = (c: Command): Command => c
  .option('--dbus [address]', 'answer targetcli on the system bus, or on the bus at an address')
  .option('--no-dbus', 'stay off the message bus')
  .option('-d, --debug', 'log everything: --log-level 5')
  .option('-f, --nofile <n>', 'let the host open that many files, 65536 to 1048576')
  .option('-l, --tcmu-log-dir <folder>', 'folder for tcmu-runner.log (default: $TCMU_LOGDIR, then the configuration)')
  .version(hostVersion(), '-V, --version', 'print the version')

const testsHandlers = (c: Command, at: Surroundings, exit: (code: number) => void): Command => c
  .argument('<folder>', 'the package')
  .option('--cfg <text>', 'cfgstring without the subtype; {tmp} is a fresh folder', '{tmp}/disk')
  .option('--refuses <text>', 'a cfgstring that the handler must refuse; may be repeated', collect, [])
  .option('--subtype <name>', 'which of its handlers, when the package has several')
  .option('--filter <text>', 'which of its filters, when it has any, and its options: NAME[:KEY=VALUE]... (default: the first)')
  .option('--size <size>', 'size of the device; 0 when the handler says it', '16M')
  .option('--block-size <size>', 'bytes of a logical block', '512')
  .option('--volatile', 'what is written need not survive closing')
  .option('--json', 'as JSON')
  .action(async (folder: string, flags: TestFlags) => exit(await commands.test().testHandler(folder, flags, at, print)))

const develops = (c: Command, exit: (code: number) => void): Command => c
  .argument('<folder>', 'the package')
  .addOption(new Option('--lun <text>', 'a logical unit, as `serve` takes it; may be repeated').argParser(collect).default([], 'one of 64 MiB, for the first handler of the package'))
  .option('--portal <addr:port>', 'loopback address to listen on; port 0 is any free one', '127.0.0.1:0')
  .addOption(new Option('--trace <which>', 'commands that are shown').choices([...traced]).default('all'))
  .option('--log-level <level>', '0 to 5, or crit, error, warning, info, debug (default: info)')
  .action(async (folder: string, flags: DevFlags) => exit(await commands.dev().dev(folder, flags)))

const movesMedium = (eject: Command, insert: Command, at: Surroundings): void => {
  for (const c of [eject, insert]) {
    c.argument('<device>', 'its name, as `tcmu-host devices` lists it')
      .option('--force', 'although an initiator prevents its removal')
      .option('--socket <path>', 'control socket of the host')
  }
  eject.action(async (device: string, flags: MediumFlags) => commands.medium().moveMedium('eject', { device }, flags, at, print))
  insert.argument('[path]', 'the image (default: the one that was taken out)')
    .action(async (device: string, config: string | undefined, flags: MediumFlags) => commands.medium().moveMedium('insert', { device, config }, flags, at, print))
}

const installs = (c: Command): Command => c
  .requiredOption('--dest <folder>', 'what they are written below; / for this machine')
  .option('--prefix <path>', 'where bin/tcmu-host is', '/usr')
  .action((flags: InstallFlags) => commands.installFiles().installFiles(flags, print))

const showsFilters = (c: Command, at: Surroundings): Command => allowsFilters(looksAtHandlers(c))
  .option('--json', 'as JSON')
  .action((flags: ListFlags) => commands.filters().listFilters(flags, at, print))

const showsDevices = (c: Command, at: Surroundings): Command => c
  .option('--verbose', 'with the filters before each, and what each callback passes')
  .option('--json', 'as JSON')
  .option('--socket <path>', 'its control socket')
  .action((flags: DevicesFlags) => commands.devices().listDevices(flags, at, print))

const showsZones = (c: Command, at: Surroundings): Command => c
  .argument('<device>', 'its name, as in `tcmu-host devices`')
  .option('--json', 'as JSON')
  .option('--map', 'as a picture: one cell a zone, colour by condition, filled up to the write pointer')
  .option('--watch', 'draw the picture again and again')
  .option('--socket <path>', "the host's control socket")
  .action((device: string, flags: ZonesFlags) => commands.zones().listZones(device, flags, at, print))

const saysVersion = (c: Command): Command => c
  .option('--json', 'as JSON')
  .action(({ json }: { json?: boolean }) => {
    const v = commands.version().versions()
    print(json ? JSON.stringify(v) : `tcmu-host ${v.host}\nhandler API ${v.handlerApi}\nNode.js ${v.node}`)
  })

/** A command line, and what it comes to: `exit` is called with the code of the command that ran. */
export function program(at: Surroundings, exit: (code: number) => void): Command {
  const root = new Command('tcmu-host')
    .description('Serve block devices whose contents come from handlers: npm packages of a few functions.')
    .version(hostVersion(), '-V, --version', 'print the version')
    .showHelpAfterError('(--help shows how it is called)')
    .addHelpText('after', examples.root)
    .exitOverride()
  const command = (name: string, description: string, help: string): Command =>
    root.command(name).description(description).addHelpText('after', help).exitOverride().allowExcessArguments(false)

  isDaemon(allowsFilters(looksAtHandlers(picksFrontEnd(command('serve', 'open devices and serve them until a signal', lunHelp + examples.serve)))))
    .addOption(new Option('--io-engine <name>', 'what carries out file I/O that waits: io_uring (uring), threads, or io_uring where it is to be had (default: auto)').choices(ioEngineNames))
    .option('--portal <addr:port>', 'address to listen on; IPv6 in brackets; port 0 is any free one (default: 127.0.0.1:3260)')
    .addOption(new Option('--lun <text>', 'a logical unit, see below; repeat it for LUN 1, 2 and so on').argParser(collect).default([], 'the luns of the configuration file'))
    .option('--target-name <iqn>', 'iSCSI name of the target (default: iqn.2026-11.host.tcmu:default)')
    .option('--chap-user <name>', 'user that initiators must prove to be')
    .option('--chap-secret-file <file>', 'file with the secret of that user (mode 600)')
    .option('--chap-mutual-user <name>', 'user that the target proves to be (mutual CHAP)')
    .option('--chap-mutual-secret-file <file>', 'file with the secret of the target')
    .option('--allow-open-portal', 'listen on an address that others can reach, without CHAP')
    .option('--state-dir <folder>', 'folder for what must outlive the process, such as persistent reservations')
    .option('--socket <path>', 'control socket (default: tcmu-host.sock in $XDG_RUNTIME_DIR, /run/tcmu/host.sock for root)')
    .action(async (flags: ServeFlags) => exit(await commands.serve().serve(flags, at)))

  picksHandlers(looksAtHandlers(command('handlers', 'list the handlers found, and what is disabled or was refused; enable one, or disable it', handlerHelp)), at, print)
    .action((flags: ListFlags) => commands.handlers().listHandlers(flags, at, print))
  showsFilters(command('filters', 'list the filters that may stand before a handler, and their options', filterHelp), at)
  installsHandlers(command, at, print)

  showsDevices(command('devices', 'list the devices of the running host', examples.devices), at)

  showsZones(command('zones', 'show the zones of a zoned disk that the running host serves', examples.zones), at)
  movesMedium(
    command('eject', 'take the medium out of a device', examples.medium),
    command('insert', 'put a medium into a device, in place of the one that is in', examples.medium), at,
  )

  looksAtHandlers(command('check', 'ask a handler whether it takes a configuration; opens nothing', examples.check))
    .argument('<cfgstring>', 'SUBTYPE/REST, as in --lun')
    .option('--size <size>', 'size of the device, such as 64M or 1G')
    .option('--options <json>', 'structured options, as in the configuration file')
    .option('--json', 'as JSON')
    .action(async (text: string, flags: CheckFlags) => exit(await commands.check().check(text, flags, at, print)))

  testsHandlers(looksAtHandlers(command('test', 'check a package of a handler or filter against everything the host relies on', examples.test)), at, exit)
  develops(command('dev', 'serve a handler package from its working folder, and its new code when a file changes', examples.dev), exit)
  installs(command('install-files', 'write the files that make the host a service: unit, D-Bus policy, logrotate and others', examples.installFiles))
  saysVersion(command('version', 'print the versions of host, handler API and Node.js', ''))
  return root
}
