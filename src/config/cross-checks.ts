import { isIP } from 'node:net'
import * as z from 'zod'
import { isLocalName, isLoopbackHost } from '../lib/loopback.ts'
import { checkCredential } from './credential-checks.ts'
import { credentialOutline } from './credential-outline.ts'
import { error, type Finding, warning } from './finding.ts'
import { parseListenAddress } from './listen-address.ts'
import type { KeyPath } from './problem.ts'
import { checkRoute, createDistinctCheck, routeOutline } from './route-checks.ts'
import { checkTokenStore } from './token-store-checks.ts'
import { unusedSettings } from './unused-settings.ts'

const credentialsOutline = z.record(z.string(), credentialOutline.optional().catch(undefined))

/** An address as one string; an invalid one becomes a string that equals no address. */
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
  tokenStore: z.unknown().optional(),
  routes: z.array(routeOutline.optional().catch(undefined)).catch([]),
})

/** Checks that involve several settings; `data` may be anything. */
export function crossCheck(data: unknown): Finding[] {
  const parsed = outline.safeParse(data)
  if (!parsed.success) return []
  const { listen = '127.0.0.1:8080', admin = '127.0.0.1:9090', routes } = parsed.data
  // If `credentials` is not a map, references to credentials cannot be checked.
  const named = credentialsOutline.safeParse(parsed.data.credentials ?? {}).data
  const credentials = new Map(Object.entries(named ?? {}))
  const names = named && [...credentials.keys(), 'none']

  const findings: Finding[] = []
  if (listen === admin && listen !== '' && !listen.endsWith(':0')) {
    const [own, other] = parsed.data.admin === undefined ? ['listen', 'admin'] : ['admin', 'listen']
    findings.push(error([own], `expected another address than that of "${other}"`))
  }
  const address = parseListenAddress(listen)
  if (address?.kind === 'tcp' && isReachable(address.host)) {
    findings.push(
      warning(
        ['listen'],
        'every machine that can connect to this address can use the tokens; 127.0.0.1, [::1] or a Unix socket limits that to this machine',
      ),
    )
  }
  const adminAddress = parseListenAddress(admin)
  if (adminAddress?.kind === 'tcp' && isReachable(adminAddress.host)) {
    findings.push(
      warning(
        ['admin'],
        'every machine that can connect to this address can read the status and renew tokens; if that is only meant for probes and metrics, restrict access with a network policy or a firewall',
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
    const users = routes.flatMap((route, index) =>
      route?.credential === name ? [{ ...route, index }] : [],
    )
    if (credential !== undefined) findings.push(...checkCredential(name, credential, users))
    if (users.length === 0) {
      findings.push({
        ...warning(['credentials', name], 'no route uses this credential'),
        dependsOn: routes.map((_route, index) => ['routes', index, 'credential']),
      })
    }
  }
  findings.push(...checkTokenStore(parsed.data.tokenStore))
  findings.push(...unusedSettings(data), ...suspiciousTexts(data, []))
  const checkDistinct = createDistinctCheck()
  for (const [index, route] of routes.entries()) {
    if (route === undefined) continue
    findings.push(...checkRoute(index, route, names), ...checkDistinct(index, route))
    if (route.upstream !== undefined && isAt(route.upstream, listen)) {
      findings.push(
        error(
          ['routes', index, 'upstream'],
          'expected another address than that of "listen", because requests would loop',
        ),
      )
    }
  }
  return findings
}

/** Texts that are most likely not meant as they are written. */
function* suspiciousTexts(value: unknown, path: KeyPath): Generator<Finding> {
  if (typeof value === 'string' && value.trim() !== value && path.at(-1) !== 'value') {
    yield warning(path, 'the text begins or ends with whitespace, which is not ignored')
  }
  if (typeof value === 'string' && /^\$[A-Za-z_]\w*$/.test(value) && path.at(-1) !== 'value') {
    yield warning(path, 'the text is used as it is; a variable is written "${NAME}"')
  }
  // An anchor may contain an alias of itself.
  if (typeof value !== 'object' || value === null || path.length > MAX_DEPTH) return
  for (const [key, inner] of Object.entries(value)) {
    yield* suspiciousTexts(inner, [...path, Array.isArray(value) ? Number(key) : key])
  }
}

/** More than any valid file has. */
const MAX_DEPTH = 12

/** Whether other machines can reach an address; host names are not resolved. */
function isReachable(host: string): boolean {
  // URL parsing normalises addresses: "0" is 0.0.0.0, and "127.1" is 127.0.0.1.
  const name = URL.parse(`http://${host.includes(':') ? `[${host}]` : host}`)?.hostname ?? ''
  return isIP(name.replace(/^\[|\]$/g, '')) !== 0 && !isLoopbackHost(name)
}

/** Whether a request to this URL would arrive at the listener. */
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
