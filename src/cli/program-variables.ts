import { noProxyEntries, nonProxyHosts } from './no-proxy.ts'
import { RUNTIMES } from './runtimes.ts'

/** How a program reaches the sidecar. */
export type ProgramSetup = {
  /** The listener, as the program reaches it: `http://127.0.0.1:8080`. */
  readonly proxyUrl: string
  /** Without it, https URLs cannot be intercepted and no CA is announced. */
  readonly trust?: TrustFiles | undefined
  /** Loopback names that a route names, which must not be excluded from the proxy. */
  readonly proxiedLoopback?: readonly string[]
}

export type TrustFiles = {
  /** System roots and the CA of the sidecar. */
  readonly pem: string
  readonly pkcs12?: { readonly path: string; readonly password: string } | undefined
  /** A file with `ca_certificate`, for wget. */
  readonly wgetrc?: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The variables that make programs use the sidecar as their proxy and trust its CA. `env` is the environment that they
 * are added to; its `NO_PROXY` and `JAVA_TOOL_OPTIONS` are kept.
 */
export function programVariables(setup: ProgramSetup, env: Environment): Record<string, string> {
  const { proxyUrl, trust } = setup
  const noProxy = noProxyOf(setup, env)
  const wgetrc = trust?.wgetrc
  return {
    TOKEN_SIDECAR_URL: proxyUrl,
    ...valueForAll([...PROXY_VARIABLES], proxyUrl),
    ...valueForAll(ENABLING_VARIABLES, '1'),
    NO_PROXY: noProxy,
    no_proxy: noProxy,
    ...(trust !== undefined && valueForAll(TRUST_VARIABLES, trust.pem)),
    ...(wgetrc !== undefined && { WGETRC: wgetrc }),
    JAVA_TOOL_OPTIONS: javaToolOptions(setup, noProxy, env['JAVA_TOOL_OPTIONS']),
  }
}

const PROXY_VARIABLES: ReadonlySet<string> = new Set([
  'HTTP_PROXY',
  'http_proxy',
  ...RUNTIMES.flatMap(({ proxy }) => (proxy.kind === 'variables' ? proxy.names : [])),
])

const ENABLING_VARIABLES = RUNTIMES.flatMap(({ proxy }) =>
  proxy.kind === 'variables' && proxy.enabledBy !== undefined ? [proxy.enabledBy] : [],
)

const TRUST_VARIABLES = RUNTIMES.flatMap(({ trust }) =>
  trust.kind === 'variables' ? trust.names : [],
)

function valueForAll(names: readonly string[], value: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, value]))
}

/** Variables that name a proxy, which the sidecar replaces and does not use itself. */
export function replacedProxies(env: Environment): string[] {
  return [...PROXY_VARIABLES].filter((name) => (env[name] ?? '') !== '')
}

/** The same value for both spellings; most runtimes prefer the one in lower case. */
export function existingNoProxy(env: Environment): string {
  return [
    ...new Set([
      ...noProxyEntries(env['no_proxy'] ?? ''),
      ...noProxyEntries(env['NO_PROXY'] ?? ''),
    ]),
  ].join(',')
}

/** Other services of this machine are called directly, as without a proxy. */
const LOOPBACK = ['localhost', '127.0.0.1', '::1']

function noProxyOf({ proxiedLoopback = [] }: ProgramSetup, env: Environment): string {
  const existing = existingNoProxy(env)
  if (existing !== '') return existing
  return LOOPBACK.filter((host) => !proxiedLoopback.includes(host)).join(',')
}

/** Later options take precedence, and the JVM reports that it picked them up on standard error. */
function javaToolOptions(
  { proxyUrl, trust }: ProgramSetup,
  noProxy: string,
  existing: string | undefined,
): string {
  const { hostname, port } = new URL(proxyUrl)
  const host = hostname.replace(/^\[|\]$/g, '')
  const truststore = trust?.pkcs12
  const properties: readonly (readonly [string, string])[] = [
    ['http.proxyHost', host],
    ['http.proxyPort', port],
    ['https.proxyHost', host],
    ['https.proxyPort', port],
    ['http.nonProxyHosts', nonProxyHosts(noProxy)],
    ...(truststore === undefined
      ? []
      : ([
          ['javax.net.ssl.trustStore', truststore.path],
          ['javax.net.ssl.trustStorePassword', truststore.password],
          ['javax.net.ssl.trustStoreType', 'PKCS12'],
        ] as const)),
  ]
  const options = properties.map(([name, value]) => quoted(`-D${name}=${value}`))
  return [existing, ...options].filter((part) => part !== undefined && part !== '').join(' ')
}

/** The JVM splits the variable at white space outside quotes. */
function quoted(option: string): string {
  if (!/[\s"']/.test(option)) return option
  return option.includes('"') ? `'${option}'` : `"${option}"`
}
