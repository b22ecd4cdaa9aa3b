import { isIP } from 'node:net'
import * as z from 'zod'
import { isLocalName, isLoopbackHost } from '../lib/loopback.ts'
import { checkCredential, credentialOutline } from './credential-checks.ts'
import { error, type Finding, warning } from './finding.ts'
import { parseListenAddress } from './listen-address.ts'
import type { KeyPath } from './problem.ts'
import { checkRoute, createDistinctCheck, routeOutline } from './route-checks.ts'

const credentialsOutline = z.record(z.string(), credentialOutline.optional().catch(undefined))

/** As it would be written in one string; something that no address is, for what can't be read. */
const addressOutline = z
  .union([
    z.string(),
    z.object({ unix: z.string() }).transform(({ unix }) => `unix:${unix}`),
    z.object({ address: z.string() }).transform(({ address }) => address),
  ])
  .optional()
  .catch('')

const outline = z.object({
  listen: addressOutline,
  admin: addressOutline,
  credentials: z.unknown().optional(),
  routes: z.array(routeOutline.optional().catch(undefined)).catch([]),
})

/** What is wrong between the keys of a file; `data` may be anything. */
export function crossCheck(data: unknown): Finding[] {
  const parsed = outline.safeParse(data)
  if (!parsed.success) return []
  const { listen = '127.0.0.1:8080', admin = '127.0.0.1:9090', routes } = parsed.data
  // What is no map has no names that could be missed.
  const named = credentialsOutline.safeParse(parsed.data.credentials ?? {}).data
  const credentials = new Map(Object.entries(named ?? {}))
  const names = named && [...credentials.keys(), 'none']

  const findings: Finding[] = []
  if (listen === admin && listen !== '' && !listen.endsWith(':0')) {
    const [given, other] =
      parsed.data.admin === undefined ? ['listen', 'admin'] : ['admin', 'listen']
    findings.push(error([given], `expected another address than that of "${other}"`))
  }
  const address = parseListenAddress(listen)
  if (address?.kind === 'tcp' && isReachable(address.host)) {
    findings.push(
      warning(
        ['listen'],
        'every machine that reaches this address gets the tokens; 127.0.0.1, [::1] or a Unix socket keeps them on this one',
      ),
    )
  }
  for (const [name, credential] of credentials) {
    if (!/^[A-Za-z\d][\w.-]*$/.test(name) || name === 'none') {
      findings.push(
        error(
          ['credentials', name],
          'expected a name of letters, digits, ".", "_" and "-", and not "none"',
        ),
      )
    }
    if (credential !== undefined) findings.push(...checkCredential(name, credential))
    if (!routes.some((route) => route?.credential === name)) {
      findings.push({
        ...warning(['credentials', name], 'no route uses this credential'),
        dependsOn: routes.map((_route, index) => ['routes', index, 'credential']),
      })
    }
  }
  findings.push(...surroundedTexts(data, []))
  const checkDistinct = createDistinctCheck()
  for (const [index, route] of routes.entries()) {
    if (route === undefined) continue
    findings.push(...checkRoute(index, route, names), ...checkDistinct(index, route))
    if (route.upstream !== undefined && isAt(route.upstream, listen)) {
      findings.push(
        error(
          ['routes', index, 'upstream'],
          'expected another address than that of "listen", because requests would go in a circle',
        ),
      )
    }
  }
  return findings
}

/** Texts with surrounding white space, which an editor does not show. */
function* surroundedTexts(value: unknown, path: KeyPath): Generator<Finding> {
  if (typeof value === 'string' && value.trim() !== value && path.at(-1) !== 'value') {
    yield warning(path, 'the text begins or ends with white space, which is not ignored')
  }
  // An anchor may contain itself.
  if (typeof value !== 'object' || value === null || path.length > DEEPEST) return
  for (const [key, inner] of Object.entries(value)) {
    yield* surroundedTexts(inner, [...path, Array.isArray(value) ? Number(key) : key])
  }
}

/** Deeper than anything that the file may say. */
const DEEPEST = 12

/** Whether other machines can reach an address; of a name, nothing is known here. */
function isReachable(host: string): boolean {
  // In its usual spelling: "0" is 0.0.0.0, and "127.1" is 127.0.0.1.
  const name = URL.parse(`http://${host.includes(':') ? `[${host}]` : host}`)?.hostname ?? ''
  return isIP(name.replace(/^\[|\]$/g, '')) !== 0 && !isLoopbackHost(name)
}

/** Whether a request to this URL would come in at the listener. */
function isAt(url: string, listen: string): boolean {
  const address = parseListenAddress(listen)
  const { hostname, port, protocol } = URL.parse(url) ?? {}
  return (
    address?.kind === 'tcp' &&
    address.port !== 0 &&
    protocol === 'http:' &&
    Number(port === '' ? 80 : port) === address.port &&
    hostname !== undefined &&
    (isLocalName(hostname) || hostname === address.host)
  )
}
