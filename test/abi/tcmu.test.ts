import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sam, senseKey } from '../../packages/host/src/scsi'
import * as abi from '../../packages/host/src/ring/abi'
import { describeIf } from '../lib/requires'

/** Each number of ours with the C expression it must equal. */
const { Mailbox, EntryHeader, CmdRequest, CmdResponse, Iovec, TmrEntry, MailboxFlag, UserFlag, Op, TmrType } = abi
const offsets = (struct: string, prefix: string, at: Record<string, number>, names: Record<string, string>): [string, number][] =>
  Object.entries(names).map(([ours, theirs]) => [`offsetof(struct ${struct}, ${prefix}${theirs})`, at[ours]])

const ring: [string, number][] = [
  ...offsets('tcmu_mailbox', '', Mailbox.at, {
    version: 'version', flags: 'flags', cmdrOff: 'cmdr_off', cmdrSize: 'cmdr_size', cmdHead: 'cmd_head', cmdTail: 'cmd_tail',
  }),
  ['sizeof(struct tcmu_mailbox)', Mailbox.size],
  ...offsets('tcmu_cmd_entry_hdr', '', EntryHeader.at, { lenOp: 'len_op', cmdId: 'cmd_id', kflags: 'kflags', uflags: 'uflags' }),
  ['sizeof(struct tcmu_cmd_entry_hdr)', EntryHeader.size],
  ...offsets('tcmu_cmd_entry', 'req.', CmdRequest.at, {
    iovCnt: 'iov_cnt', iovBidiCnt: 'iov_bidi_cnt', iovDifCnt: 'iov_dif_cnt', cdbOff: 'cdb_off',
  }),
  ['offsetof(struct tcmu_cmd_entry, req.iov)', CmdRequest.size],
  ...offsets('iovec', '', Iovec.at, { base: 'iov_base', length: 'iov_len' }),
  ['sizeof(struct iovec)', Iovec.size],
  ...offsets('tcmu_cmd_entry', 'rsp.', CmdResponse.at, { scsiStatus: 'scsi_status', readLen: 'read_len', sense: 'sense_buffer' }),
  ['sizeof(struct tcmu_cmd_entry)', CmdResponse.size],
  ...offsets('tcmu_tmr_entry', '', TmrEntry.at, { tmrType: 'tmr_type', cmdCnt: 'cmd_cnt' }),
  ['offsetof(struct tcmu_tmr_entry, cmd_ids)', TmrEntry.size],
  ['sizeof(((struct tcmu_tmr_entry *)0)->cmd_ids[0])', abi.TMR_ID_SIZE],
  ['TCMU_MAILBOX_VERSION', abi.MAILBOX_VERSION],
  ['TCMU_OP_MASK', abi.OP_MASK],
  ['TCMU_OP_ALIGN_SIZE', abi.ENTRY_ALIGN],
  ['TCMU_SENSE_BUFFERSIZE', abi.SENSE_SIZE],
  ...Object.entries(MailboxFlag).map(([name, value]): [string, number] => [`TCMU_MAILBOX_FLAG_CAP_${name}`, value]),
  ...Object.entries(UserFlag).map(([name, value]): [string, number] => [`TCMU_UFLAG_${name}`, value]),
  ...Object.entries(Op).map(([name, value]): [string, number] => [`TCMU_OP_${name}`, value]),
  ...Object.entries(TmrType).map(([name, value]): [string, number] => [`TCMU_TMR_${name}`, value]),
]

/** glibc's header has the status codes of SCSI-2, one bit to the right of where SAM has them. */
const scsi: [string, number][] = [
  ['GOOD << 1', sam.GOOD],
  ['CHECK_CONDITION << 1', sam.CHECK_CONDITION],
  ['CONDITION_GOOD << 1', sam.CONDITION_MET],
  ['BUSY << 1', sam.BUSY],
  ['RESERVATION_CONFLICT << 1', sam.RESERVATION_CONFLICT],
  ['QUEUE_FULL << 1', sam.TASK_SET_FULL],
  ...(['NO_SENSE', 'RECOVERED_ERROR', 'NOT_READY', 'MEDIUM_ERROR', 'HARDWARE_ERROR', 'ILLEGAL_REQUEST', 'UNIT_ATTENTION', 'DATA_PROTECT',
    'BLANK_CHECK', 'COPY_ABORTED', 'ABORTED_COMMAND', 'VOLUME_OVERFLOW', 'MISCOMPARE'] as const).map((name): [string, number] => [name, senseKey[name]]),
]

const dir = mkdtempSync(join(tmpdir(), 'tcmu-abi-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Compile and run a program that prints each expression's value. */
function evaluate(name: string, header: string, expressions: readonly string[]): number[] {
  const lines = expressions.map((e) => `  printf("%llu\\n", (unsigned long long)(${e}));`)
  const source = join(dir, `${name}.c`)
  const program = join(dir, name)
  writeFileSync(source, `#include <stdio.h>\n#include <stddef.h>\n#include <${header}>\nint main(void)\n{\n${lines.join('\n')}\n  return 0;\n}\n`)
  execFileSync('cc', ['-o', program, source], { stdio: ['ignore', 'ignore', 'pipe'] })
  return execFileSync(program, { encoding: 'utf8' }).trim().split('\n').map(Number)
}

function lacking(header: string, debianPackage: string): string | undefined {
  try {
    evaluate('probe', header, ['1'])
    return undefined
  } catch {
    return `needs a C compiler and <${header}>; apt-get install gcc ${debianPackage}`
  }
}

/** A 32-bit compiler has another iovec; the kernel of such machines too, and Node is not built for them. */
for (const [header, debianPackage, expected] of [['linux/target_core_user.h', 'linux-libc-dev', ring], ['scsi/scsi.h', 'libc6-dev', scsi]] as const) {
  describeIf(lacking(header, debianPackage), `numbers of <${header}>`, () => {
    let values: Map<string, number>
    beforeAll(() => {
      const expressions = expected.map(([expression]) => expression)
      const results = evaluate('values', header, expressions)
      values = new Map(expressions.map((e, k) => [e, results[k]]))
    })
    test.each(expected)('%s is %d', (expression, ours) => {
      expect(values.get(expression)).toBe(ours)
    })
  })
}

test('an entry with many iovecs keeps its CDB behind them, one with few behind the room for the response', () => {
  expect([0, 4, 5].map(abi.cmdBaseSize)).toEqual([112, 112, 128])
  expect([abi.cmdEntrySize(1, 10), abi.tmrEntrySize(0), abi.tmrEntrySize(3)]).toEqual([128, 32, 40])
})
