import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { enable } from './enable'
import { inRepository } from './repository'

/** A handler root as npm would lay it out: packages in `node_modules`, writable by nobody else. */
export class HandlerRoot {
  constructor(readonly path: string) {
    this.folder('node_modules')
  }

  private folder(...parts: string[]): string {
    const made = join(this.path, ...parts)
    mkdirSync(made, { recursive: true })
    chmodSync(made, 0o755)
    return made
  }

  /** Write one file of a package; `content` other than text becomes JSON. */
  file(name: string, file: string, content: unknown): string {
    const path = join(this.folder('node_modules', name, dirname(file)), file.split('/').pop()!)
    writeFileSync(path, typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content, undefined, 2))
    chmodSync(path, 0o644)
    return path
  }

  /** Install a package folder of this repository under a name. */
  install(name: string, from: string): void {
    for (const file of readdirSync(inRepository(from), { recursive: true, encoding: 'utf8' })) {
      if (statSync(inRepository(from, file)).isFile()) this.file(name, file, readFileSync(inRepository(from, file)))
    }
  }

  /** What `npm install` does for a peer dependency on the host. */
  linkHost(): void {
    symlinkSync(inRepository('packages/host'), join(this.folder('node_modules', '@tcmu'), 'host'))
  }

  /** Enable what is there, or the packages that are named. */
  enable(...names: readonly string[]): Promise<void> {
    return enable(this.path, ...names)
  }
}
