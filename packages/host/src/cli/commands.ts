/** The module of each command, loaded when that command is given: most of a short command's time is loading and compiling. */
export const commands = {
  check: () => require('./check') as typeof import('./check'),
  dev: () => require('./dev') as typeof import('./dev'),
  devices: () => require('./devices') as typeof import('./devices'),
  filters: () => require('./filters') as typeof import('./filters'),
  handlers: () => require('./handlers') as typeof import('./handlers'),
  enable: () => require('./enable') as typeof import('./enable'),
  install: () => require('./install-handler') as typeof import('./install-handler'),
  installFiles: () => require('./install') as typeof import('./install'),
  medium: () => require('./medium') as typeof import('./medium'),
  serve: () => require('./serve') as typeof import('./serve'),
  test: () => require('./test') as typeof import('./test'),
  version: () => require('./version') as typeof import('./version'),
  zones: () => require('./zones') as typeof import('./zones'),
} as const
