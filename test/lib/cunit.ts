/** One test of a CUnit run, as `iscsi-test-cu -v` prints it. */
export interface CunitTest {
  readonly suite: string
  readonly name: string
  /** CUnit itself counts a skipped test as passed; the tool marks it in its output only. `unfinished`: no verdict followed. */
  readonly result: 'passed' | 'failed' | 'skipped' | 'unfinished'
  /** First message: why it was skipped, or what failed. */
  readonly reason: string
  readonly output: string
}

interface Open { suite: string; name: string; verdict: 'passed' | 'failed' | undefined; lines: string[] }

const messageAfter = (lines: readonly string[], mark: string): string | undefined =>
  lines.find((l) => l.includes(mark))?.split(mark)[1]!.trim()

function close({ suite, name, verdict, lines }: Open): CunitTest {
  const skipped = messageAfter(lines, '[SKIPPED]')
  const result = verdict === 'passed' && skipped !== undefined ? 'skipped' : (verdict ?? 'unfinished')
  const reason = (result === 'skipped' ? skipped : messageAfter(lines, '[FAILED]')) ?? ''
  return { suite, name, result, reason, output: lines.join('\n') }
}

const VERDICT = /(?:^\s*|\.\.\.|\s)(passed|FAILED)\s*$/

/** Every test of a run, in order. Lines between tests (suite titles, the closing table) are ignored. */
export function parseCunit(text: string): CunitTest[] {
  const done: CunitTest[] = []
  let suite = ''
  let open: Open | undefined
  const end = (): void => {
    if (open) done.push(close(open))
    open = undefined
  }
  for (const line of text.split('\n')) {
    const title = /^Suite: (\S.*?)\s*$/.exec(line)
    const start = /^\s*Test: (.*?) \.\.\.(.*)$/.exec(line)
    if (title || start || line.includes('Run Summary')) end()
    if (title) suite = title[1]!
    else if (start) open = { suite, name: start[1]!, verdict: undefined, lines: [] }
    if (!open) continue
    const rest = start ? start[2]! : line
    open.lines.push(rest)
    const verdict = VERDICT.exec(rest)?.[1] ?? /^\s*(passed|FAILED)\b/.exec(rest)?.[1]
    if (verdict) open.verdict ??= verdict === 'passed' ? 'passed' : 'failed'
  }
  end()
  return done
}

/** How often each reason was given, most frequent first. */
export function byReason(tests: readonly CunitTest[]): [reason: string, tests: CunitTest[]][] {
  const groups = new Map<string, CunitTest[]>()
  for (const t of tests) groups.set(t.reason, [...(groups.get(t.reason) ?? []), t])
  return [...groups].sort((a, b) => b[1].length - a[1].length)
}
