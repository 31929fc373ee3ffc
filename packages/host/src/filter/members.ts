import { FILTER_NAME_PATTERN } from './manifest'
import { filtered, type Filter, removable } from './types'

/** One member of a filter: what it must be, and what the documentation says of it. */
export interface FilterMember {
  readonly is: (value: unknown) => boolean
  readonly required?: true
  readonly later?: true
  readonly form: string
  readonly when: string
  readonly absent: string
}

const namePattern = new RegExp(FILTER_NAME_PATTERN)
const isFunction = (v: unknown): boolean => typeof v === 'function'
const listOf = (some: readonly string[]) => (v: unknown): boolean => Array.isArray(v) && v.every((name) => some.includes(name as string))
const names = (some: readonly string[]): string => some.map((name) => `\`${name}\``).join(', ')
const does = (form: string, when: string, absent: string): FilterMember => ({ is: isFunction, form, when, absent })
const callback = (form: string, when: string): FilterMember => ({ is: isFunction, later: true, form, when, absent: 'it passes by' })

/** Everything a filter may have. */
export const filterMembers: Record<keyof Filter, FilterMember> = {
  name: { is: (v) => typeof v === 'string' && namePattern.test(v), required: true, form: '`name`: text', when: 'As in the manifest.', absent: '' },
  summary: { is: (v) => typeof v === 'string' && v.length > 0, required: true, form: '`summary`: text', when: 'One sentence for people.', absent: '' },
  without: { is: listOf(removable), form: '`without`: list', when: `Callbacks that it takes away: some of ${names(removable)}. The host does without, or makes them of reads and writes.`, absent: 'none' },
  provides: { is: listOf(filtered), form: '`provides`: list', when: 'Callbacks that it answers by itself, whatever lies behind it.', absent: 'it has those that lie behind it' },
  fua: { is: (v) => v === 'native' || v === 'emulate', form: "`fua`: `'native'` or `'emulate'`", when: "`'native'`: `write` honours `io.fua`.", absent: 'as behind it' },
  fixedSize: { is: (v) => typeof v === 'boolean', form: '`fixedSize`: truth value', when: 'Changes of size are refused, and those of the backend passed over.', absent: 'sizes change' },
  sizeBehind: does('`sizeBehind(bytes, options)`', 'How many bytes to ask for behind it, when so many are asked for here.', 'as many'),
  sizeHere: does('`sizeHere(bytes, options)`', 'How many bytes there are here, when there are so many behind it.', 'as many'),
  declare: does('`declare(properties, options)`', 'Once, after the handler opened: what the device says of itself, seen from here.', 'as behind it'),
  open: { ...callback('`open(dev)`', 'After all behind it is open. What it returns is the first argument of everything else; it throws to refuse. `dev` has `options`, `sizeBytes`, `blockSize`, `next`, `name`, `subtype`, `log`, `io`, `report`.'), absent: 'the first argument is undefined' },
  close: { ...callback('`close(state)`', 'Before what is behind it closes.'), absent: 'there is nothing to close' },
  resized: does('`resized(state, bytes)`', 'There are so many bytes behind it now.', 'it does not matter'),
  read: callback('`read(state, io, next)`', 'In place of the handler\'s.'),
  write: callback('`write(state, io, next)`', 'The same.'),
  flush: callback('`flush(state, next)`', 'The same.'),
  unmap: callback('`unmap(state, range, next)`', 'The same, where there is one behind it.'),
  writeSame: callback('`writeSame(state, io, next)`', 'The same, where there is one behind it.'),
  compareAndWrite: callback('`compareAndWrite(state, io, next)`', 'The same, where there is one behind it.'),
  extents: callback('`extents(state, range, next)`', 'The same, where there is one behind it.'),
  around: { ...callback('`around(state, operation, range, run)`', 'In place of each callback that it does not have itself, but `extents`; `run()` goes on. `range` is undefined for `flush`.'), absent: 'these pass by' },
}
