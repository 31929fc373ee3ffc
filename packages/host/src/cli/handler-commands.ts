import type { Command } from 'commander'
import { commands } from './commands'
import type { RootFlags } from './handler-root'
import { installHelp, uninstallHelp, updateHelp } from './help'
import type { InstallHandlerFlags } from './install-handler'
import type { Surroundings } from './options'

type Print = (line: string) => void
type Make = (name: string, description: string, help: string) => Command

export const ROOT_FLAG = ['--handler-root <folder>', 'folder with the node_modules of installed handlers (default: /var/lib/tcmu/handlers for root, else ~/.local/share/tcmu/handlers)'] as const

const worksOnRoot = (c: Command): Command => c
  .option(...ROOT_FLAG)
  .option('--config <file>', 'configuration file, which may name the handler root')
  .option('--socket <path>', 'control socket of the running host that is told')
  .option('--json', 'as JSON')

/** `handlers enable` and `handlers disable`, which have the options of `handlers`. */
export function picksHandlers(handlers: Command, at: Surroundings, print: Print): Command {
  handlers.option('--json', 'as JSON').option('--socket <path>', 'control socket of the running host that is asked, or told (enable, disable)')
  const pick = (name: string, description: string, runs: 'enableHandler' | 'disableHandler'): void => void handlers.command(name)
    .description(description).exitOverride().allowExcessArguments(false).configureHelp({ showGlobalOptions: true })
    .argument('<name>', 'a package of the handler root, or one of its subtypes')
    .action((name: string, _: object, c: Command) => commands.enable()[runs](name, c.optsWithGlobals<RootFlags>(), at, print))
  pick('enable', 'use a package of the handler root as it is now', 'enableHandler')
  pick('disable', 'open no new devices of a package of the handler root', 'disableHandler')
  return handlers
}

/** `install`, `uninstall` and `update`. */
export function installsHandlers(make: Make, at: Surroundings, print: Print): void {
  worksOnRoot(make('install', 'install a handler package into the handler root; it stays disabled until it is enabled', installHelp))
    .argument('<package>', 'NAME, NAME@RANGE, a tarball or a folder')
    .option('--enable', 'enable it at once')
    .action((text: string, flags: InstallHandlerFlags) => commands.install().installHandler(text, flags, at, print))
  worksOnRoot(make('uninstall', 'remove a handler package from the handler root', uninstallHelp))
    .argument('<package>', 'its name, or one of its subtypes')
    .action((name: string, flags: RootFlags) => commands.install().uninstallHandler(name, flags, at, print))
  worksOnRoot(make('update', 'install newer versions of handler packages', updateHelp))
    .argument('[package]', 'its name, or one of its subtypes (default: all)')
    .option('--enable', 'enable again what was enabled before')
    .action((name: string | undefined, flags: InstallHandlerFlags) => commands.install().updateHandlers(name, flags, at, print))
}
