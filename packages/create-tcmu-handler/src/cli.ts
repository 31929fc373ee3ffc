#!/usr/bin/env node
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { AnswerError, type Answers, type Question, questions } from './answers'
import { filesOf } from './files'
import { writePackage } from './write'

const usage = `Usage: npm create tcmu-handler [FOLDER] -- [OPTION]...

Makes a package of a handler or a filter for the TCMU host, with tests that need neither a kernel nor root.

  --kind KIND        handler or filter (default: handler)
  --name NAME        npm's name of the package (default: that of the folder)
  --subtype NAME     first part of its cfgstrings (default: from the name)
  --shape SHAPE      blocks or commands (default: blocks)
  --filter NAME      what configurations call the filter (default: from the name)
  --language NAME    typescript or javascript (default: typescript)
  --yes              ask nothing, take the defaults
`

type Flags = Readonly<Partial<Record<keyof Answers, string>>>

/** Answers from flags; what is missing is asked for, or taken by default. */
async function answersFrom(flags: Flags, ask: ((q: Question, initial: string) => Promise<string>) | undefined): Promise<Answers> {
  const known: Partial<Record<keyof Answers, string>> = {}
  for (const question of questions) {
    const initial = question.initial(known as Partial<Answers>)
    const given = flags[question.key]
    if (question.of && question.of !== known.kind) {
      if (given !== undefined) throw new AnswerError(`--${question.key} goes with --kind ${question.of}`)
      continue
    }
    known[question.key] = given !== undefined ? question.take(given) : ask ? await ask(question, initial) : question.take(initial)
  }
  return known as unknown as Answers
}

function asker(): { ask: (q: Question, initial: string) => Promise<string>; close: () => void } {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const ask = async (question: Question, initial: string): Promise<string> => {
    const text = (await terminal.question(`${question.text} [${initial}]: `)).trim() || initial
    try {
      return question.take(text)
    } catch (e) {
      if (!(e instanceof AnswerError)) throw e
      process.stdout.write(`${e.message}\n`)
      return ask(question, initial)
    }
  }
  return { ask, close: () => terminal.close() }
}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      name: { type: 'string' }, kind: { type: 'string' }, filter: { type: 'string' }, subtype: { type: 'string' }, shape: { type: 'string' }, language: { type: 'string' },
      yes: { type: 'boolean', short: 'y' }, help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return
  }
  if (positionals.length > 1) throw new AnswerError(`one folder, not ${positionals.length}: ${positionals.join(', ')}`)
  const { name, kind, filter, subtype, shape, language } = values
  const flags: Flags = { folder: positionals[0], name, kind, filter, subtype, shape, language }
  const terminal = process.stdin.isTTY && !values.yes ? asker() : undefined
  const answers = await answersFrom(flags, terminal?.ask).finally(() => terminal?.close())
  const files = filesOf(answers)
  writePackage(answers.folder, files)
  for (const { path } of files) process.stdout.write(`  ${path}\n`)
  process.stdout.write(`\n${answers.name} is in ${answers.folder}. Next:\n\n  cd ${answers.folder}\n  npm install\n  npm test\n`)
}

main(process.argv.slice(2)).catch((e: unknown) => {
  const wrongCall = e instanceof AnswerError || String((e as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS')
  process.stderr.write(`create-tcmu-handler: ${wrongCall ? (e as Error).message : String((e as Error).stack ?? e)}\n`)
  process.exitCode = wrongCall ? 2 : 1
})
