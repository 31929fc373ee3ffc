import { readFileSync, writeFileSync } from 'node:fs'
import { errnoTable } from '../../packages/host/src/handler/errno'
import {
  blockCommands, blockModePages, blockPages, type CommandRow, identityPages, type Lun, needsOf, noThresholds, pageControl, sam, senseKey, type Status, statusRow, statusTable, Status as S,
  blockLogPages, logPages, vpdPages,
} from '../../packages/host/src/scsi'
import { inRepository } from './repository'

const hex = (n: number, digits = 2): string => n.toString(16).toUpperCase().padStart(digits, '0')
const named = (table: Readonly<Record<string, number>>, value: number): string =>
  Object.keys(table).find((k) => table[k] === value)?.replaceAll('_', ' ') ?? hex(value)

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
const page = (title: string, ...parts: readonly string[]): string =>
  [`# ${title}`, 'Generated from the tables of the host by `node test/lib/ts.cjs test/lib/generated-docs.ts`; a test fails when it is stale.', ...parts].join('\n\n') + '\n'

const states = { attention: 'a unit attention', formatting: 'formatting or sanitizing', unformatted: 'a failed format', unsanitized: 'a failed sanitize', recovering: 'recovery', stopped: 'a stopped unit' } as const
function answeredDespite(row: CommandRow): string {
  const allowed = (Object.keys(states) as (keyof typeof states)[]).filter((k) => row.allowed?.[k])
  return allowed.map((k) => states[k]).join(', ')
}

function commandRow(row: CommandRow): string[] {
  const moves = row.access === 'none' ? '' : row.exclusive ? `${row.access}, alone on its range` : row.access
  return [hex(row.op), row.sa === undefined ? '' : hex(row.sa), row.name, String(row.cdb.size), row.dataDirection === 'none' ? '' : row.dataDirection, moves, needsOf(row).join(', '), answeredDespite(row)]
}

function commands(): string {
  const rows = [...blockCommands].sort((a, b) => a.op - b.op || (a.sa ?? -1) - (b.sa ?? -1))
  return page(
    'Commands of a disk',
    'What the host answers for a handler that moves blocks (`read`, `write`). A command whose *needs* the handler lacks and the host cannot make up does not exist: INVALID COMMAND OPERATION CODE.',
    table(['Code', 'Action', 'Command', 'CDB', 'Data', 'Medium', 'Needs', 'Answered despite'], rows.map(commandRow)),
    '## Answered elsewhere',
    'REPORT LUNS (A0), PERSISTENT RESERVE IN and OUT (5E, 5F), RESERVE and RELEASE (16, 17, 56, 57): by the kernel under the `tcmu` front end, by `@tcmu/iscsi` under the portal. Codes that nobody knows end with 5/20/00, unknown service actions of a known code with 5/24/00. [reservations.md](reservations.md) says which commands another initiator\'s reservation shuts out.',
    '## Choices the standards leave',
    [
      '- Data-Out shorter than the CDB asks for: the whole blocks that came are written and the status is GOOD; the residual count tells. WRITE SAME and COMPARE AND WRITE, which make no sense with part of their data, are refused (5/24/00).',
      '- A read with less room than the CDB asks for fills the room.',
      '- DPO is accepted and ignored. FUA is honoured: by the handler, or by a flush after the write; without a write cache there is nothing to do.',
      '- IMMED of SYNCHRONIZE CACHE and START STOP UNIT is accepted, and the status waits all the same: a flush that fails after GOOD would be heard of by nobody.',
      '- PRE-FETCH checks its range and is GOOD, never CONDITION MET: nothing is cached.',
      '- FORMAT UNIT without a pattern unmaps the medium where that reads as zeroes, and writes zeroes elsewhere; with one, every block gets it. Defect lists, protection information and security initialization are refused; DPRY, DCRT and STPF change nothing. Aborted before its status it ends, and the medium is what it has come to; failed it leaves 3/31/00 until a FORMAT UNIT goes well. With IMMED it goes on after its status, whoever is reset.',
      '- SANITIZE exists where the handler says that writing a block in place destroys what was there. OVERWRITE and BLOCK ERASE write every block, pass by pass, each followed by a flush; BLOCK ERASE writes zeroes, and unmaps afterwards where that reads as zeroes. It goes on whatever becomes of its command, and ends with the process; there is no cryptographic erase. Reserved bits of its CDB are refused.',
      '- While FORMAT UNIT or SANITIZE are under way everything else is told so (2/04/04, 2/04/1B), with the progress in 65536ths; REQUEST SENSE says the same. What arrived before them is finished first.',
      '- EXTENDED COPY copies between the logical units that the initiator reaches through the front end: all of a target under the portal; under the kernel, which alone knows who may see what, the one unit that is asked. Targets are named by the NAA identifier of VPD page 83h, or are the asked unit itself (FFFFh); segments are block to block. Reservations, write protection, capacity and state are those that a READ of the source and a WRITE of the destination by the same initiator would meet. Both ranges of a segment are held while it is copied: nothing writes to either. A destination that is write protected or out of space is told as it would be by itself (7/27/00, 7/27/07); other failures are COPY ABORTED with the segment, the descriptor and the sense data of the unit.',
      '- List identifiers belong to the I_T nexus; up to 255 results of each are kept until they are used again.',
      '- WRITE ATOMIC exists where the handler says up to which length a write happens whole or not at all.',
      '- UNMAP and what else unmaps reaches the handler in pieces of at most MAXIMUM UNMAP LBA COUNT that meet on its granularity.',
      '- WRITE SAME of 0 blocks is refused (WSNZ=1). With UNMAP, only zeroes are unmapped, and only where unmapped blocks read as zeroes; the rest is written.',
      '- COMPARE AND WRITE of 0 blocks with a pair of blocks or more of data is refused: the block count has overflowed.',
      '- RDPROTECT, WRPROTECT, VRPROTECT, NACA and ANCHOR other than 0 are refused. Reserved bits, GROUP NUMBER and RARC are ignored, unless the LUN is `strict`: then every bit that REPORT SUPPORTED OPERATION CODES does not show in the CDB usage data is refused, with a pointer at it.\n- An ILLEGAL REQUEST points at what is wrong (SKSV=1, field pointer) wherever a field is; LBA OUT OF RANGE has the LBA in INFORMATION as well.',
    ].join('\n'),
  )
}

/** A unit with everything, for what pages say of one. */
const complete = { abilities: { flush: 'native', unmap: 'native', space: 'native' }, modes: { thresholds: noThresholds }, writeCache: true } as unknown as Lun

function pages(): string {
  const vpd = vpdPages(...identityPages, ...blockPages).map((p) => [hex(p.code), p.name])
  const modes = blockModePages.map((p) => [
    hex(p.code), p.subpage ? hex(p.subpage) : '', p.name, String(p.size + (p.subpage ? 4 : 2)), Buffer.from(p.body(complete, pageControl.CHANGEABLE)).toString('hex').match(/../g)!.join(' '),
  ])
  return page(
    'Pages of a disk',
    '## Vital product data (INQUIRY)', table(['Page', 'Name'], vpd),
    'Page 88h is there when the front end names its ports, as the portal does; page B3h when there are target port groups.',
    'Page 83h has the T10 vendor identification, the NAA 6 identifier that the kernel derives from the same serial number, and the designators of the front end: relative target port, target port name and target device name under the portal. It never has the configuration string.',
    '## Mode pages (MODE SENSE, MODE SELECT)',
    'Bytes after the page header, with a one for every bit that MODE SELECT may change on a handler that has `flush`, `unmap` and `space`. Pages with such bits are saved by MODE SELECT with SP=1 where the host has a state folder (`--state-dir`); without one PS=0, PC=11b is 5/39/00 and SP=1 5/24/00. A LOGICAL UNIT RESET makes the saved values current, or the defaults.',
    table(['Page', 'Subpage', 'Name', 'Length', 'Changeable'], modes),
    '## Log pages (LOG SENSE, LOG SELECT)',
    table(['Page', 'Subpage', 'Name'], logPages(...blockLogPages).map((p) => [hex(p.code), p.subpage ? hex(p.subpage) : '', p.name])),
    'Page 0Ch is there on thinly provisioned units whose handler says how much storage there is (`space`), and so is mode page 1Ch/02h. Thresholds and resource counts are in sets of 1 MiB. With LBPERE=1 in mode page 01h, a threshold that is crossed is told to every initiator: UNIT ATTENTION 38/07. LOG SELECT sets counters back, all at once (PCR=1); there are no thresholds of counters, nothing is saved.',
  )
}

const code = (asc: number): string => `${hex(asc >> 8)}/${hex(asc & 0xff)}`
function meaning(status: Status): string[] {
  const row = statusRow(status)
  if (!row.sense) return [named(sam, row.sam), '', '']
  if (row.sense === 'task') return [named(sam, row.sam), 'sense data of the handler', '']
  return [named(sam, row.sam), named(senseKey, row.sense.key), `${code(row.sense.code.asc)} ${row.sense.code.text}`]
}

function sense(): string {
  return page(
    'Status and sense data',
    'What `Status` names, as handlers return them, become on the wire. Sense data is in fixed format unless D_SENSE is set in the control mode page.',
    table(['Status', 'Number', 'SAM status', 'Sense key', 'Additional sense'], statusTable.map((r) => [`\`${r.name}\``, String(S[r.name]), ...meaning(S[r.name])])),
    '## What a thrown error becomes',
    'By the errno `code` of the error or of what caused it. Anything else is a fault of the handler: `HW_ERR`, and a log line.',
    table(['errno', 'on a read', 'on a write'], errnoTable.map(([names, read, write]) => [names.join(', '), `\`${statusRow(read).name}\``, `\`${statusRow(write).name}\``])),
  )
}

/** Generated documents by path in the repository. */
export const documents = (): Readonly<Record<string, string>> => ({ 'docs/commands.md': commands(), 'docs/pages.md': pages(), 'docs/sense.md': sense() })

/** Write them. */
export async function main(): Promise<void> {
  for (const [path, text] of Object.entries(documents())) writeFileSync(inRepository(path), text)
}

/** What is there now; empty when nothing is. */
export function written(path: string): string {
  try {
    return readFileSync(inRepository(path), 'utf8')
  } catch {
    return ''
  }
}
