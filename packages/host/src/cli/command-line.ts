/** What stands for a file in errors about flags. */
export const COMMAND_LINE = 'command line'
