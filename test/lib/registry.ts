import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runOk } from './run'

interface Packed { readonly json: { readonly name: string; readonly version: string }; readonly bytes: Buffer }

/** What `npm install NAME` talks to, on loopback, with packages of a test. */
export class Registry {
  private readonly packed: Packed[] = []
  private readonly server: Server
  private readonly folder = mkdtempSync(join(tmpdir(), 'tcmu-registry-'))

  constructor() {
    this.server = createServer((request, response) => {
      const path = decodeURIComponent(request.url!.slice(1))
      const tarball = this.packed.find((p) => path === `-/${p.json.name}-${p.json.version}.tgz`)
      const versions = this.packed.filter((p) => p.json.name === path)
      if (tarball) response.end(tarball.bytes)
      else if (versions.length) response.setHeader('content-type', 'application/json').end(JSON.stringify(this.document(versions)))
      else response.writeHead(404).end('{}')
    })
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as { port: number }).port}/`
  }

  /** For npm: this registry, and nothing of the machine. */
  get environment(): NodeJS.ProcessEnv {
    return { npm_config_registry: this.url, npm_config_cache: join(this.folder, 'cache'), npm_config_userconfig: join(this.folder, 'npmrc'), npm_config_update_notifier: 'false' }
  }

  /** Pack a folder and offer it. Resolves to the path of the tarball. */
  async publish(source: string): Promise<string> {
    const { stdout } = await runOk('npm', ['pack', source, '--json', '--ignore-scripts', '--pack-destination', this.folder], { env: this.environment })
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
    const path = join(this.folder, filename)
    this.packed.push({ json: JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Packed['json'], bytes: readFileSync(path) })
    return path
  }

  private document(versions: readonly Packed[]): object {
    const { name } = versions[0]!.json
    const dist = ({ json, bytes }: Packed): object => ({
      tarball: `${this.url}-/${name}-${json.version}.tgz`, integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`, shasum: createHash('sha1').update(bytes).digest('hex'),
    })
    return { name, 'dist-tags': { latest: versions.at(-1)!.json.version }, versions: Object.fromEntries(versions.map((p) => [p.json.version, { ...p.json, dist: dist(p) }])) }
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
    rmSync(this.folder, { recursive: true, force: true })
  }
}
