import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describeIf, type Lack } from '../lib/requires'

const folder = mkdtempSync(join(tmpdir(), 'tcmu-abi-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const place = (struct: string, theirs: string, members: Readonly<Record<string, string>>): [ours: string, theirs: string][] => [
  [`sizeof(${struct})`, `sizeof(struct ${theirs})`],
  ...Object.entries(members).flatMap(([ours, name]): [string, string][] => [
    [`offsetof(${struct}, ${ours})`, `offsetof(struct ${theirs}, ${name})`],
    [`sizeof(${struct}::${ours})`, `sizeof(((struct ${theirs} *)0)->${name})`],
  ]),
]
const same = (...names: string[]): Record<string, string> => Object.fromEntries(names.map((n) => [n, n]))

/** Each expression of native/src/core/uring_abi.h with that of the system's header it must equal. */
const pairs: readonly (readonly [ours: string, theirs: string])[] = [
  ...place('Sqe', 'io_uring_sqe', { ...same('opcode', 'flags', 'ioprio', 'fd', 'rw_flags', 'user_data'), offset: 'off', address: 'addr', length: 'len' }),
  ...place('Cqe', 'io_uring_cqe', { ...same('user_data', 'flags'), result: 'res' }),
  ...place('SqOffsets', 'io_sqring_offsets', same('head', 'tail', 'ring_mask', 'ring_entries', 'flags', 'dropped', 'array')),
  ...place('CqOffsets', 'io_cqring_offsets', same('head', 'tail', 'ring_mask', 'ring_entries', 'overflow', 'cqes', 'flags')),
  ...place('Params', 'io_uring_params', { ...same('sq_entries', 'cq_entries', 'flags', 'features', 'wq_fd'), sq: 'sq_off', cq: 'cq_off' }),
  ...place('ProbeOp', 'io_uring_probe_op', same('op', 'flags')),
  ['offsetof(Probe, ops)', 'sizeof(struct io_uring_probe)'], ['offsetof(Probe, ops_len)', 'offsetof(struct io_uring_probe, ops_len)'],
  ...Object.entries({
    kSysSetup: '__NR_io_uring_setup', kSysEnter: '__NR_io_uring_enter', kSysRegister: '__NR_io_uring_register',
    kOpReadv: 'IORING_OP_READV', kOpWritev: 'IORING_OP_WRITEV', kOpRead: 'IORING_OP_READ', kOpWrite: 'IORING_OP_WRITE',
    kSetupCqSize: 'IORING_SETUP_CQSIZE', kSetupSubmitAll: 'IORING_SETUP_SUBMIT_ALL', kSetupTaskrunFlag: 'IORING_SETUP_TASKRUN_FLAG',
    kSetupSingleIssuer: 'IORING_SETUP_SINGLE_ISSUER', kSetupDeferTaskrun: 'IORING_SETUP_DEFER_TASKRUN',
    kFeatSingleMmap: 'IORING_FEAT_SINGLE_MMAP', kFeatNoDrop: 'IORING_FEAT_NODROP', kFeatSubmitStable: 'IORING_FEAT_SUBMIT_STABLE',
    kSqCqOverflow: 'IORING_SQ_CQ_OVERFLOW', kSqTaskrun: 'IORING_SQ_TASKRUN', kCqEventfdDisabled: 'IORING_CQ_EVENTFD_DISABLED',
    kEnterGetEvents: 'IORING_ENTER_GETEVENTS', kRegisterEventfd: 'IORING_REGISTER_EVENTFD', kRegisterProbe: 'IORING_REGISTER_PROBE',
    kRegisterIowqMaxWorkers: 'IORING_REGISTER_IOWQ_MAX_WORKERS', kProbeSupported: 'IO_URING_OP_SUPPORTED',
    kMapRings: 'IORING_OFF_SQ_RING', kMapSqes: 'IORING_OFF_SQES',
  }),
]

function evaluate(expressions: readonly (readonly [string, string])[]): [number, number][] {
  const source = join(folder, 'values.cpp')
  const program = join(folder, 'values')
  const lines = expressions.map(([ours, theirs]) => `  printf("%lld %lld\\n", (long long)(${ours}), (long long)(${theirs}));`)
  writeFileSync(source, `#include <cstdio>\n#include <linux/io_uring.h>\n#include <sys/syscall.h>\n#include "${resolve(__dirname, '../../native/src/core/uring_abi.h')}"\nusing namespace tcmu::uring;\nint main() {\n${lines.join('\n')}\n}\n`)
  execFileSync('g++', ['-std=c++17', '-Wno-invalid-offsetof', '-o', program, source], { stdio: ['ignore', 'ignore', 'pipe'] })
  return execFileSync(program, { encoding: 'utf8' }).trim().split('\n').map((l) => l.split(' ').map(Number) as [number, number])
}

/** Headers before Linux 6.1 lack some of the names. */
function lacking(): Lack {
  try {
    evaluate([['kSetupDeferTaskrun', 'IORING_SETUP_DEFER_TASKRUN']])
    return undefined
  } catch {
    return 'needs g++ and <linux/io_uring.h> of Linux 6.1; apt-get install g++ linux-libc-dev'
  }
}

describeIf(lacking(), 'numbers of <linux/io_uring.h>', () => {
  let values: [number, number][]
  beforeAll(() => void (values = evaluate(pairs)))
  test.each(pairs.map((p, i) => [...p, i] as const))('%s is %s', (_ours, _theirs, i) => {
    expect(values[i]![0]).toBe(values[i]![1])
  })
})
