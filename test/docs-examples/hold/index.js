import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineFilter } from '@tcmu/host/filter'

export default defineFilter({
  name: 'hold',
  summary: 'what changes the disk waits while a file is there',
  open: ({ options }) => options.file,
  around: async (file, operation, range, run) => {
    if (operation !== 'read') while (existsSync(file)) await sleep(50, undefined, { signal: range?.signal })
    return run()
  },
})
