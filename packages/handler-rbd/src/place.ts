/** Structured options of a LUN. */
export interface RbdOptions {
  readonly readOnly?: boolean
}

/** Where a LUN is kept, and how it is reached. */
export interface Place {
  readonly pool: string
  /** '' is the pool itself. */
  readonly namespace: string
  readonly image: string
  /** '' is the image as it is now. */
  readonly snapshot: string
  /** Seconds; undefined: what the cluster has, or what fits it. */
  readonly osdOpTimeout: number | undefined
  /** '' is Ceph's own choice: $CEPH_CONF, /etc/ceph/ceph.conf. */
  readonly conf: string
  /** Without `client.`; '' is `admin`. */
  readonly id: string
  /** Options that nothing is known of. */
  readonly unknown: readonly string[]
}

/** What it is and how to write it right, as the host passes it on to people. */
export interface Wrong {
  readonly wrong: string
}

const MAX_TIMEOUT = 86_400

type Options = Pick<Place, 'osdOpTimeout' | 'conf' | 'id'>
/** What an option makes of its value; text is what is wrong. */
const optionRows: Readonly<Record<string, (value: string) => Partial<Options> | string>> = {
  osd_op_timeout: (value) => (/^[0-9]{1,5}$/.test(value) && Number(value) > 0 && Number(value) <= MAX_TIMEOUT
    ? { osdOpTimeout: Number(value) }
    : `osd_op_timeout=${value} is no number of seconds from 1 to ${MAX_TIMEOUT}`),
  conf: (value) => (value.startsWith('/') ? { conf: value } : `conf=${value} is not an absolute path`),
  id: (value) => (value.startsWith('client.') ? `id=${value}: write the name without client., id=${value.slice('client.'.length)}` : { id: value }),
}

function options(texts: readonly string[]): (Options & Pick<Place, 'unknown'>) | Wrong {
  const found: Record<string, unknown> = { osdOpTimeout: undefined, conf: '', id: '' }
  const seen = new Set<string>()
  const unknown: string[] = []
  for (const text of texts.filter((t) => t !== '')) {
    const at = text.indexOf('=')
    const name = at === -1 ? text : text.slice(0, at)
    if (at === -1 || at === text.length - 1) return { wrong: `${name} has no value; write ${name}=VALUE or leave it out` }
    if (seen.has(name)) return { wrong: `${name} is given twice; leave one out` }
    seen.add(name)
    if (!Object.hasOwn(optionRows, name)) {
      unknown.push(name)
      continue
    }
    const taken = optionRows[name]!(text.slice(at + 1))
    if (typeof taken === 'string') return { wrong: taken }
    Object.assign(found, taken)
  }
  return { ...(found as unknown as Options), unknown }
}

const HOW = 'write rbd/POOL/IMAGE or rbd/POOL/NAMESPACE/IMAGE, as in rbd/rbd/disk0'

/** Read `POOL/[NAMESPACE/]IMAGE[@SNAPSHOT]` and what follows it; a slash before it is skipped. */
export function placeOf(config: string): Place | Wrong {
  if (config.includes('\0')) return { wrong: 'it contains a zero byte' }
  const [path = '', ...rest] = config.split(';')
  const parts = (path.startsWith('/') ? path.slice(1) : path).split('/')
  if (parts.length < 2 || parts.length > 3 || parts.some((p) => p === '')) return { wrong: `${path === '' ? 'pool and image are missing' : `'${path}' is no pool and image`}; ${HOW}` }
  const [pool = '', last = ''] = [parts[0], parts.at(-1)]
  const [image = '', snapshot, ...more] = last.split('@')
  if (image === '' || snapshot === '' || more.length > 0) return { wrong: `'${last}' is no image; write IMAGE, or IMAGE@SNAPSHOT for a snapshot` }
  const read = options(rest)
  if ('wrong' in read) return read
  return { pool, namespace: parts.length === 3 ? parts[1]! : '', image, snapshot: snapshot ?? '', ...read }
}

/** As `rbd` takes it: `pool/namespace/image@snapshot`. */
export const specOf = ({ pool, namespace, image, snapshot }: Place): string =>
  [pool, ...(namespace ? [namespace] : []), image].join('/') + (snapshot ? `@${snapshot}` : '')
