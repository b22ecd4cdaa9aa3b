import { parse, stringify } from 'yaml'
import { configWith } from './problems.ts'

/** A configuration with most keys. */
export const WHOLE = parse(
  stringify({
    listen: '127.0.0.1:8080',
    admin: '127.0.0.1:9090',
    limits: { headers: '16KiB' },
    log: { level: 'info', access: 'on', format: 'auto' },
    shutdown: { deadline: '25s' },
    ...configWith({
      credential: {
        auth: { method: 'client_secret_basic', clientSecret: { env: 'CORP_SECRET' } },
        scopes: ['a', 'b'],
        audience: ['c'],
        resource: 'https://c.example',
        parameters: { d: 'e' },
        tls: {},
        timeout: '10s',
        refresh: { leeway: '60s', jitter: '10s' },
        defaultLifetime: '5m',
        prefetch: false,
        allowPlaintext: false,
      },
      route: {
        match: { host: 'a.example', path: '/orders', methods: ['GET'] },
        keepPath: true,
        scopes: ['a'],
        audience: 'b',
        resource: ['https://c.example'],
        inject: { header: 'Authorization', prefix: 'Bearer' },
        existingAuthorization: 'keep',
        headers: { set: { 'X-A': 'b' }, remove: ['X-B'] },
        timeouts: { token: '10s', connect: '5s', response: '60s', idle: '60s' },
        tls: {},
        allowPlaintext: false,
      },
    }),
  }),
)

export type Path = readonly (string | number)[]

/** The paths of all values in a value, including itself. */
export function pathsOf(value: unknown): Path[] {
  if (typeof value !== 'object' || value === null) return [[]]
  return [
    [],
    ...Object.entries(value).flatMap(([key, inner]) =>
      pathsOf(inner).map((path) => [Array.isArray(value) ? Number(key) : key, ...path]),
    ),
  ]
}

/** A copy of a value with another value at a path. */
export function withAt(value: unknown, [key, ...rest]: Path, put: unknown): unknown {
  if (key === undefined) return put
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => (index === key ? withAt(item, rest, put) : item))
  }
  if (typeof value !== 'object' || value === null) throw new TypeError('expected a longer value')
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      name === key ? withAt(inner, rest, put) : inner,
    ]),
  )
}
