const MOST_LINES = 20
const LONGEST_LINE = 400
/** Lines of a program that go into the log each second; a program that floods is heard of, not followed. */
const LINES_A_SECOND = 10

/** What a program says on standard error: the last lines are kept, and passed on as long as there are not too many. */
export class LastLines {
  readonly lines: string[] = []
  private rest = ''
  private second = 0
  private told = 0

  constructor(private readonly tell: (line: string) => void, private readonly now: () => number = Date.now) {}

  push(text: string): void {
    const parts = (this.rest + text).split('\n')
    this.rest = parts.pop()!.slice(0, LONGEST_LINE)
    for (const line of parts) this.line(line)
  }

  /** The program has ended: a line without an end is one as well. */
  end(): void {
    if (this.rest) this.line(this.rest)
    this.rest = ''
  }

  private line(text: string): void {
    const line = text.slice(0, LONGEST_LINE).trimEnd()
    if (line === '') return
    this.lines.push(line)
    if (this.lines.length > MOST_LINES) this.lines.shift()
    const second = Math.floor(this.now() / 1000)
    if (second !== this.second) [this.second, this.told] = [second, 0]
    if (this.told++ < LINES_A_SECOND) this.tell(line)
  }
}
