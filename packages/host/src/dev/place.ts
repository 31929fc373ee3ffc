import { execFile } from 'node:child_process'
import { join } from 'node:path'

/** An import of a file with a syntax error does not say where it is (Node.js keeps that for what it prints itself). */
const isSyntax = (e: unknown): boolean => /SyntaxError|Unexpected |Invalid or unexpected|missing \)|is not valid/.test(String((e as Error | undefined)?.message))
const MOST_CHECKED = 8
const CHECK_MS = 5000
const isCode = (file: string): boolean => /\.[cm]?js$/.test(file)

function check(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['--check', path], { timeout: CHECK_MS, encoding: 'utf8' }, (failed, _, stderr) => resolve(failed ? stderr : undefined))
  })
}

/** `src/index.js:12`, and the line, of the first of these files that Node.js cannot read; undefined when it reads them all. */
export async function syntaxErrorIn(folder: string, files: readonly string[], e: unknown): Promise<string | undefined> {
  if (!isSyntax(e)) return undefined
  for (const file of files.filter(isCode).slice(0, MOST_CHECKED)) {
    const said = await check(join(folder, file))
    const [, line] = /^\S*:(\d+)$/m.exec(said ?? '') ?? []
    if (said === undefined) continue
    const source = said.split('\n')[1]?.trim()
    return `${file}${line === undefined ? '' : `:${line}`}${source ? `: ${source}` : ''}`
  }
  return undefined
}

/** `src/index.js:12` where an error came out of the package; undefined when its stack does not tell. */
export function placeOf(folder: string, e: unknown): string | undefined {
  const stack = (e as { stack?: unknown } | undefined)?.stack
  if (typeof stack !== 'string') return undefined
  const from = stack.indexOf(`${folder}/`)
  return from < 0 ? undefined : /^[^:)\n]+:\d+/.exec(stack.slice(from + folder.length + 1))?.[0]
}
