import * as z from 'zod'
import { closest } from '../lib/closest.ts'
import { isLoopbackHost } from '../lib/loopback.ts'
import type { KeyPath } from './problem.ts'

export type Finding = {
  readonly path: KeyPath
  readonly message: string
  /** What to do about it, where that is not in the message. */
  readonly hint?: string
  /** The places of which one, filled in, would settle it. */
  readonly misses?: readonly KeyPath[]
  /** A warning is worth saying and does not stop the sidecar. */
  readonly severity: 'error' | 'warning'
}

/*
 * The rules between keys. They read an outline of the file that holds only what they need and
 * forgives everything else, so that they speak even when the file is wrong elsewhere: zod runs a
 * check over several keys only once the shape is right.
 */
const optionalText = z.string().optional().catch(undefined)
const optionalFlag = z.boolean().optional().catch(undefined)

const present = z.unknown().optional()
const secretOutline = z.object({ value: optionalText }).optional().catch(undefined)

const credentialOutline = z.object({
  provider: present,
  issuer: present,
  tokenEndpoint: present,
  clientId: present,
  allowPlaintext: optionalFlag,
  audience: present,
  auth: z
    .object({
      method: optionalText,
      clientSecret: secretOutline,
      key: secretOutline,
      passphrase: secretOutline,
    })
    .optional()
    .catch(undefined),
  grant: z
    .object({
      type: optionalText,
      issuer: present,
      key: secretOutline,
      passphrase: secretOutline,
      subjectToken: secretOutline,
    })
    .optional()
    .catch(undefined),
  dpop: z.object({ key: secretOutline }).optional().catch(undefined),
  tls: z.object({ client: present }).optional().catch(undefined),
})

const providerOutline = z.object({ name: optionalText, url: optionalText })

const routeOutline = z.object({
  name: optionalText,
  match: z
    .object({ host: optionalText, path: optionalText, methods: z.array(z.string()).catch([]) })
    .optional()
    .catch(undefined),
  upstream: optionalText,
  credential: optionalText,
  scopes: present,
  audience: present,
  resource: present,
  allowPlaintext: optionalFlag,
  inject: z.object({ header: optionalText }).catch({ header: undefined }),
  headers: z
    .object({
      set: z.record(z.string(), z.unknown()).catch({}),
      remove: z.array(z.string()).catch([]),
    })
    .catch({ set: {}, remove: [] }),
})

const credentialsOutline = z.record(z.string(), credentialOutline.optional().catch(undefined))

const outline = z.object({
  listen: optionalText,
  admin: optionalText,
  credentials: z.unknown().optional(),
  routes: z.array(routeOutline.optional().catch(undefined)).catch([]),
})

type CredentialOutline = z.output<typeof credentialOutline>
type RouteOutline = z.output<typeof routeOutline>

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
  if (listen === admin && !listen.endsWith(':0')) {
    const [given, other] =
      parsed.data.admin === undefined ? ['listen', 'admin'] : ['admin', 'listen']
    findings.push(error([given], `expected another address than that of "${other}"`))
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
      findings.push(warning(['credentials', name], 'no route uses this credential'))
    }
  }
  for (const [index, route] of routes.entries()) {
    if (route === undefined) continue
    const earlier = routes.slice(0, index)
    findings.push(...checkRoute(index, route, names), ...checkDistinct(index, route, earlier))
  }
  return findings
}

function checkCredential(name: string, credential: CredentialOutline): Finding[] {
  const at = ['credentials', name]
  return [
    ...checkServer(at, credential),
    ...checkIdentity(at, credential),
    ...checkProvider(at, credential),
    ...checkLiterals(at, credential),
  ]
}

/** Where tokens come from, and that the way there is private. */
function checkServer(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { provider, issuer, tokenEndpoint, allowPlaintext } = credential
  const findings: Finding[] = []
  if (issuer === undefined && tokenEndpoint === undefined && provider === undefined) {
    findings.push({
      ...error(at, 'expected "issuer", "tokenEndpoint" or "provider", got none of them'),
      misses: ['issuer', 'tokenEndpoint', 'provider'].map((key) => [...at, key]),
    })
  }
  if (issuer !== undefined && tokenEndpoint !== undefined) {
    findings.push(
      error([...at, 'tokenEndpoint'], 'expected either "issuer" or "tokenEndpoint", got both'),
    )
  }
  const places = [
    { path: ['issuer'], url: issuer },
    { path: ['tokenEndpoint'], url: tokenEndpoint },
    { path: ['provider', 'url'], url: providerOutline.safeParse(provider).data?.url },
  ]
  for (const { path, url } of places) {
    if (typeof url === 'string' && isRemotePlaintext(url) && allowPlaintext !== true) {
      findings.push(
        error(
          [...at, ...path],
          'expected an https URL, because the client secret would travel readable; "allowPlaintext: true" permits it',
        ),
      )
    }
  }
  return findings
}

/** Who the client is: there must be something that says so. */
function checkIdentity(at: KeyPath, { auth, grant, clientId, tls }: CredentialOutline): Finding[] {
  const findings: Finding[] = []
  const method = auth?.method
  const grantSaysIt = grant?.type === 'jwt_bearer' || grant?.type === 'token_exchange'
  const methodSaysIt = method === 'none' || method === 'client_assertion_file'
  if (auth !== undefined && clientId === undefined && !(grantSaysIt && methodSaysIt)) {
    findings.push(error([...at, 'clientId'], 'expected the client identifier'))
  }
  if (grant?.type === 'jwt_bearer' && clientId === undefined && grant.issuer === undefined) {
    findings.push(
      error(
        [...at, 'grant', 'issuer'],
        'expected the "iss" of the assertion, as there is no "clientId"',
      ),
    )
  }
  const isByCertificate = method === 'tls_client_auth' || method === 'self_signed_tls_client_auth'
  if (isByCertificate && tls?.client === undefined) {
    findings.push(
      error([...at, 'tls', 'client'], `expected the certificate that "${method}" is done with`),
    )
  }
  return findings
}

/** What a product can't do without. */
function checkProvider(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { audience, grant } = credential
  const provider = providerOutline.safeParse(credential.provider).data
  if (provider?.name === 'auth0' && audience === undefined) {
    return [error([...at, 'audience'], 'expected the audience, which Auth0 wants to know')]
  }
  if (provider?.name === 'google' && grant?.type !== 'jwt_bearer') {
    return [error([...at, 'grant', 'type'], 'expected "jwt_bearer", the grant of service accounts')]
  }
  return []
}

/** Secrets that stand in the file itself, for anything but a demonstration. */
function checkLiterals(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { issuer, tokenEndpoint, auth, grant, dpop } = credential
  const url = issuer ?? tokenEndpoint
  const server = typeof url === 'string' ? URL.parse(url) : null
  if (server !== null && isLoopbackHost(server.hostname)) return []
  const places: readonly (readonly [
    readonly string[],
    { value?: string | undefined } | undefined,
  ])[] = [
    [['auth', 'clientSecret'], auth?.clientSecret],
    [['auth', 'key'], auth?.key],
    [['auth', 'passphrase'], auth?.passphrase],
    [['grant', 'key'], grant?.key],
    [['grant', 'passphrase'], grant?.passphrase],
    [['grant', 'subjectToken'], grant?.subjectToken],
    [['dpop', 'key'], dpop?.key],
  ]
  return places.flatMap(([path, secret]) =>
    secret?.value === undefined
      ? []
      : [
          warning(
            [...at, ...path, 'value'],
            'the secret stands in the configuration file; "file" or "env" keeps it out',
          ),
        ],
  )
}

function checkRoute(
  index: number,
  route: RouteOutline,
  names: readonly string[] | undefined,
): Finding[] {
  const at = ['routes', index]
  const { credential, upstream, match } = route
  const findings: Finding[] = []
  if (match !== undefined && match.host === undefined && match.path === undefined) {
    findings.push({
      ...error([...at, 'match'], 'expected "host", "path" or both; "path: /" matches everything'),
      misses: ['host', 'path'].map((key) => [...at, 'match', key]),
    })
  }
  if (credential !== undefined && names?.includes(credential) === false) {
    const meant = closest(credential, names)
    findings.push({
      ...error([...at, 'credential'], 'expected the name of a credential, or "none"'),
      misses: [['credentials']],
      ...(meant !== undefined && { hint: `did you mean "${meant}"?` }),
    })
  }
  if (
    credential !== undefined &&
    credential !== 'none' &&
    upstream !== undefined &&
    isRemotePlaintext(upstream) &&
    route.allowPlaintext !== true
  ) {
    findings.push(
      error(
        [...at, 'upstream'],
        'expected an https URL, because the token would travel readable; "allowPlaintext: true" permits it',
      ),
    )
  }
  if (credential === 'none') {
    for (const key of ['scopes', 'audience', 'resource'] as const) {
      if (route[key] !== undefined) {
        findings.push(error([...at, key], 'expected a credential other than "none" beside it'))
      }
    }
  }
  return [...findings, ...checkHeaders(at, route)]
}

// What the sidecar itself decides, because a message would mean something else with them changed.
const RESERVED_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function checkHeaders(at: KeyPath, { credential, inject, headers }: RouteOutline): Finding[] {
  const injected = (inject.header ?? 'Authorization').toLowerCase()
  const findings: Finding[] = []
  if (RESERVED_HEADERS.has(injected)) {
    findings.push(error([...at, 'inject', 'header'], 'expected a header that can carry a token'))
  }
  for (const name of Object.keys(headers.set)) {
    if (RESERVED_HEADERS.has(name.toLowerCase())) {
      findings.push(
        error([...at, 'headers', 'set', name], 'expected a header that HTTP leaves to you'),
      )
    }
    if (name.toLowerCase() === injected && credential !== 'none') {
      findings.push(
        error(
          [...at, 'headers', 'set', name],
          'expected another header than the one that carries the token',
        ),
      )
    }
  }
  for (const [index, name] of headers.remove.entries()) {
    if (RESERVED_HEADERS.has(name.toLowerCase())) {
      findings.push(
        error([...at, 'headers', 'remove', index], 'expected a header that HTTP leaves to you'),
      )
    }
  }
  return findings
}

/** No two routes have one name, or claim the same requests. */
function checkDistinct(
  index: number,
  route: RouteOutline,
  earlier: readonly (RouteOutline | undefined)[],
): Finding[] {
  const findings: Finding[] = []
  if (route.name !== undefined && earlier.some((other) => other?.name === route.name)) {
    findings.push(error(['routes', index, 'name'], 'expected a name that no other route has'))
  }
  const key = matchKey(route)
  const twin = earlier.findIndex((other) => other !== undefined && matchKey(other) === key)
  if (key !== undefined && twin !== -1) {
    findings.push(
      error(
        ['routes', index, 'match'],
        `expected a match that differs from that of routes[${twin}]`,
      ),
    )
  }
  return findings
}

/** Equal for routes that claim the same requests; undefined for one whose claim can't be read. */
function matchKey({ match }: RouteOutline): string | undefined {
  if (match === undefined || (match.host === undefined && match.path === undefined))
    return undefined
  const { host = '', path = '/', methods } = match
  return JSON.stringify([host.toLowerCase(), path.replace(/\/$/, ''), methods.toSorted()])
}

function isRemotePlaintext(url: string): boolean {
  const parsed = URL.parse(url)
  return parsed?.protocol === 'http:' && !isLoopbackHost(parsed.hostname)
}

function error(path: KeyPath, message: string): Finding {
  return { path, message, severity: 'error' }
}

function warning(path: KeyPath, message: string): Finding {
  return { path, message, severity: 'warning' }
}
