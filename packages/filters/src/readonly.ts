import { defineFilter, Status } from '@tcmu/host/filter'

/** Nothing behind it is ever written to; initiators are told beforehand. */
export default defineFilter({
  name: 'readonly',
  summary: 'the disk cannot be written',
  provides: ['write'],
  without: ['unmap', 'writeSame', 'compareAndWrite'],
  declare: (p) => ({ ...p, readOnly: true, sanitize: false, maxAtomicBlocks: 0 }),
  write: () => Status.WRITE_PROTECTED,
})
