import { execFile } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findPrograms } from './tools.ts'

type HttpsEnvironment = {
  /** An HTTP proxy for CONNECT. */
  readonly proxy: string
  /** CA certificates in PEM form. */
  readonly bundle: string
  /** The same as a PKCS#12 truststore with the password "changeit". */
  readonly truststore: string
  /** An empty directory. */
  readonly home: string
}

type Request = (urls: readonly string[], environment: HttpsEnvironment) => Promise<void>

/** An HTTPS client that is not part of this project. */
export type HttpsClient = {
  readonly name: string
  /** Undefined if it is not installed. */
  readonly request?: Request | undefined
  /** Why it cannot call IPv6 addresses through a proxy. */
  readonly lacksIpv6?: string
}

type Command = readonly [program: string, ...args: string[]]

const run = promisify(execFile)

const FIXTURES = fileURLToPath(new URL('../fixtures/https-clients/', import.meta.url))

export async function findHttpsClients(): Promise<HttpsClient[]> {
  const [java] = findPrograms('java')
  const [go] = findPrograms('go')
  return [
    perUrl('curl', (url) => ['curl', '--silent', '--max-time', '20', url]),
    perUrl('wget', (url, { bundle }) => [
      'wget',
      '--quiet',
      '--tries=1',
      '--timeout=20',
      '--output-document=-',
      `--ca-certificate=${bundle}`,
      url,
    ]),
    perUrl('git', (url) => ['git', 'ls-remote', `${url}repository.git`]),
    ...(await pythonClients()),
    ...[...new Set(findPrograms('node').map((path) => realpathSync(path)))].map((node) => ({
      name: `Node at ${node}`,
      request: allUrls((urls, { proxy }) => [node, `${FIXTURES}client.mjs`, proxy, ...urls]),
    })),
    {
      name: 'Go',
      request:
        go === undefined
          ? undefined
          : allUrls((urls) => [go, 'run', `${FIXTURES}client.go`, ...urls]),
    },
    {
      name: 'Java HttpClient',
      request: javaRequest(java, 'HttpClient'),
      lacksIpv6: 'it sends the address without brackets as the target of CONNECT',
    },
    { name: 'Java HttpURLConnection', request: javaRequest(java, 'HttpURLConnection') },
  ]
}

function perUrl(
  name: string,
  commandFor: (url: string, environment: HttpsEnvironment) => Command,
): HttpsClient {
  if (findPrograms(name).length === 0) return { name }
  return {
    name,
    async request(urls, environment) {
      for (const url of urls) await execute(commandFor(url, environment), environment)
    },
  }
}

function allUrls(
  commandFor: (urls: readonly string[], environment: HttpsEnvironment) => Command,
): Request {
  return async (urls, environment) => await execute(commandFor(urls, environment), environment)
}

function javaRequest(java: string | undefined, library: string): Request | undefined {
  if (java === undefined) return undefined
  return allUrls((urls) => [java, `${FIXTURES}Client.java`, library, ...urls])
}

/** Debian's packages are for its own Python, which may not be the first on the PATH. */
async function pythonClients(): Promise<HttpsClient[]> {
  const script = `${FIXTURES}client.py`
  return await Promise.all(
    ['urllib', 'requests', 'httpx'].map(async (library) => {
      const name = `Python ${library}`
      for (const python of findPrograms('python3')) {
        if (!(await hasModule(python, library))) continue
        return { name, request: allUrls((urls) => [python, script, library, ...urls]) }
      }
      return { name }
    }),
  )
}

async function hasModule(python: string, name: string): Promise<boolean> {
  return await run(python, ['-c', `import ${name}`]).then(
    () => true,
    () => false,
  )
}

/** A client that reports an error exits with a code that is not 0. */
async function execute([program, ...args]: Command, environment: HttpsEnvironment): Promise<void> {
  await run(program, args, { env: variables(environment) }).catch(() => {})
}

/** Nothing is inherited, because an image may export variables of its own CA. */
function variables({ proxy, bundle, truststore, home }: HttpsEnvironment): NodeJS.ProcessEnv {
  const { hostname, port } = new URL(proxy)
  return {
    PATH: process.env['PATH'],
    HOME: home,
    https_proxy: proxy,
    HTTPS_PROXY: proxy,
    SSL_CERT_FILE: bundle,
    CURL_CA_BUNDLE: bundle,
    REQUESTS_CA_BUNDLE: bundle,
    GIT_SSL_CAINFO: bundle,
    GIT_TERMINAL_PROMPT: '0',
    NODE_EXTRA_CA_CERTS: bundle,
    // `go run` needs no module, and caches the program.
    GO111MODULE: 'off',
    GOCACHE: process.env['GOCACHE'] ?? `${process.env['HOME'] ?? home}/.cache/go-build`,
    JAVA_TOOL_OPTIONS: [
      `-Dhttps.proxyHost=${hostname}`,
      `-Dhttps.proxyPort=${port}`,
      '-Dhttp.nonProxyHosts=',
      `-Djavax.net.ssl.trustStore=${truststore}`,
      '-Djavax.net.ssl.trustStorePassword=changeit',
    ].join(' '),
  }
}
