import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { inRepository } from '../lib/repository'

/** One of examples/, built, in a process of its own. */
export class ExampleProgram {
  output = ''
  private constructor(readonly child: ChildProcess, readonly urls: readonly string[]) {}

  /** Resolves when it has printed where it listens. */
  static start(name: string, env: NodeJS.ProcessEnv = {}): Promise<ExampleProgram> {
    const main = inRepository('examples', name, 'dist/index.js')
    if (!existsSync(main)) throw new Error(`examples/${name}/dist/index.js is not there: run \`npm run build\` first`)
    const child = spawn(process.execPath, [main], { env: { ...process.env, PORT: '0', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    let errors = ''
    return new Promise((resolve, reject) => {
      let program: ExampleProgram | undefined
      child.stderr.setEncoding('utf8').on('data', (s: string) => {
        errors += s
        if (program) program.output = errors
      })
      child.stdout.setEncoding('utf8').on('data', (s: string) => {
        said += s
        if (program || !said.includes('\n')) return
        program = new ExampleProgram(child, said.split('\n', 1)[0]!.split(' '))
        program.output = errors
        resolve(program)
      })
      child.once('close', (code, signal) => reject(new Error(`examples/${name} ended with ${code ?? signal}:\n${errors}`)))
    })
  }

  get port(): number { return Number(/:(\d+)\//.exec(this.urls[0]!)![1]) }

  /** Ask it to end; resolves to its exit code. */
  end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    return new Promise((resolve) => {
      if (this.child.exitCode !== null || this.child.signalCode !== null) return resolve(this.child.exitCode)
      this.child.once('close', resolve)
      this.child.kill(signal)
    })
  }
}

/** Programs of one test file; all are gone after it. */
export function programs(): (name: string, env?: NodeJS.ProcessEnv) => Promise<ExampleProgram> {
  const started: ExampleProgram[] = []
  afterAll(() => Promise.all(started.map((p) => p.end('SIGKILL'))))
  return async (name, env) => {
    const program = await ExampleProgram.start(name, env)
    started.push(program)
    return program
  }
}
