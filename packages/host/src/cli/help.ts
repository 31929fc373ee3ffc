/** Help that goes below the options of a command. */
export const lunHelp = `
A logical unit is text of the form
  name=NAME[,size=SIZE][,blocksize=BYTES][,physicalblocksize=BYTES][,readonly][,thick][,strict][,serial=TEXT][,filters=FILTERS],cfgstring=SUBTYPE/REST
SUBTYPE names the handler and REST is its business (\`tcmu-host handlers\` says what each wants). cfgstring comes last and
takes the rest of the text, commas included. Sizes are 512, 64M, 1G, 2TiB: powers of 1024. LUN numbers count from 0 in the
order of the flags. A block is a power of two from 512 (default) to 65536 bytes.
thick: its storage is reserved at once and stays so. strict: reserved bits of commands are refused. FILTERS are NAME[:KEY=VALUE]... joined
by +, the first asked first (\`tcmu-host filters\` lists them); in a value %2C, %3A, %2B and %25 stand for , : + and %. The first line on stdout is \`ready URL...\` once initiators can log in; everything else goes to stderr.
SIGINT or SIGTERM: commands under way get ten seconds to end. A second signal ends at once.
`

export const handlerHelp = `
Looks at the handlers that came with the host, at the handler root, and at the handlerPaths of the configuration. Reads
package.json files only; no code of a handler runs. A handler is a package with the keyword "tcmu-handler" and a field
"tcmuHandler". Of the handler root, what was enabled is used, for as long as its files stay what they were. \`tcmu-host install\`
installs one; npm does too:
  npm install --prefix /var/lib/tcmu/handlers --ignore-scripts --legacy-peer-deps PACKAGE

Examples:
  tcmu-host handlers
  tcmu-host handlers --handler-root ./handlers --json
  tcmu-host handlers enable tcmu-handler-ram
  tcmu-host handlers disable ram
`

export const installHelp = `
Runs npm in the handler root, without install scripts. What was installed is shown (handlers, files, machine code) and stays
disabled until \`tcmu-host handlers enable\`, or --enable. A running host sees it without a restart.

Examples:
  tcmu-host install tcmu-handler-ram
  tcmu-host install tcmu-handler-ram@^1.2 --enable
  tcmu-host install ./tcmu-handler-ram-1.0.0.tgz --handler-root ./handlers
`

export const uninstallHelp = `
Disables it and removes it with npm. Devices that are open go on with the code they have.

Examples:
  tcmu-host uninstall tcmu-handler-ram
`

export const updateHelp = `
Has npm look for newer versions within the ranges that were installed, of one package or of all. What changed has to be
enabled again; --enable does that for what was enabled before.

Examples:
  tcmu-host update
  tcmu-host update tcmu-handler-ram --enable
`

export const filterHelp = `
A filter stands between the host and a handler that moves blocks. It is given with filters= in --lun, with "filters" in the configuration
file, and for devices made with targetcli under "devices" there. Reads package.json files only; no code of a filter runs. A filter is a
package with the keyword "tcmu-filter" and a field "tcmuFilter", installed as handlers are. Its code runs in the host's own process:
one that did not come with the host has to be let in by name.

Examples:
  tcmu-host filters
  tcmu-host filters --json
  tcmu-host serve --lun name=disk0,size=1G,filters=delay:read=5ms+readonly,cfgstring=file//srv/disk0.img
`

export const examples = {
  root: `
Examples:
  tcmu-host serve --lun name=disk0,size=1G,cfgstring=file//srv/disk0.img
  tcmu-host handlers                     what there is to serve with
  tcmu-host check file//srv/disk0.img    whether a handler takes a configuration
  tcmu-host devices                      what a running host serves
Exit codes: 0 done, 1 it failed (the reason is on stderr), 2 it was called wrongly.
`,
  serve: `
Examples:
  tcmu-host serve --lun name=disk0,size=1G,cfgstring=file//srv/disk0.img
  tcmu-host serve --portal [::1]:3261 --lun name=a,size=64M,cfgstring=file//tmp/a --lun name=b,readonly,cfgstring=file//tmp/b
  tcmu-host serve --portal 0.0.0.0:3260 --chap-user joe --chap-secret-file /etc/tcmu/joe.secret --config /etc/tcmu/host.json
`,
  devices: `
Examples:
  tcmu-host devices
  tcmu-host devices --verbose
  tcmu-host devices --socket /run/tcmu/host.sock --json
`,
  medium: `
An initiator that uses a medium may prevent its removal, as a mounted file system does. Then nothing moves, and the initiator is
told that the medium is wanted.

Examples:
  tcmu-host eject cd0
  tcmu-host insert cd0 /srv/second.iso
  tcmu-host insert cd0
`,
  zones: `
Examples:
  tcmu-host zones disk0
  tcmu-host zones disk0 --map
  tcmu-host zones disk0 --watch
`,
  installFiles: `
A tcmu.conf that is there and was changed is left as it is. Then: systemctl daemon-reload && systemctl reload dbus

Examples:
  tcmu-host install-files --dest /
  tcmu-host install-files --dest ./package --prefix /usr/local
`,
  check: `
Loads the handler and asks it. Exit code 0 when it takes the configuration, 1 when it does not.

Examples:
  tcmu-host check file//srv/disk0.img
  tcmu-host check file//srv/disk0.img --size 64M --json
`,
  test: `
Opens devices of the handler in this process, without kernel, network or root, and checks one promise after the other.
Exit code 0 when all that apply are kept, 1 otherwise.

Examples:
  tcmu-host test ./my-handler
  tcmu-host test ./my-handler --cfg '{tmp}/disk.img' --size 64M --block-size 4096
  tcmu-host test ./my-handler --cfg '' --volatile --refuses nonsense --json
  tcmu-host test ./my-filter --filter invert:level=3
`,
  dev: `
Runs the handler in a process of its own behind a portal on this machine. The first line on stdout is \`ready URL...\`; on stderr
there is a line for each command and how it ended. When a file that Node.js loads has changed (.js, .json and the like outside
node_modules), the new code takes over: sessions stay, commands wait meanwhile, and initiators hear of a reset (6/29/00). Code that does
not load leaves the code of before at work. TypeScript is built by you, for example by \`npx tsc --watch\` beside it.

Examples:
  tcmu-host dev ./my-handler
  tcmu-host dev . --lun name=d0,size=64M,cfgstring=mydisk//tmp/d0 --portal 127.0.0.1:3261
  tcmu-host dev . --trace errors
`,
} as const
