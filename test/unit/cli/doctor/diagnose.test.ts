import { expect, test } from 'vitest'
import { diagnose } from '../../../../src/cli/doctor/diagnose.ts'
import type {
  ApplicationFacts,
  ConfigurationFacts,
  DoctorFacts,
  NetworkFacts,
  SidecarFacts,
  TrustFile,
} from '../../../../src/cli/doctor/facts.ts'
import { recogniseRuntimes } from '../../../../src/cli/doctor/recognise-runtimes.ts'

const HOST = 'api.partner.example'
const PROXY = 'http://127.0.0.1:8080'
const BUNDLE = '/ca/ca-bundle.pem'
const CA_TRUSTED = new Map<string, TrustFile>([[BUNDLE, 'trusted']])

/** An environment in which every runtime uses the sidecar and trusts its CA. */
const GOOD = {
  https_proxy: PROXY,
  HTTPS_PROXY: PROXY,
  http_proxy: PROXY,
  grpc_proxy: PROXY,
  NODE_USE_ENV_PROXY: '1',
  CURL_CA_BUNDLE: BUNDLE,
  SSL_CERT_FILE: BUNDLE,
  GIT_SSL_CAINFO: BUNDLE,
  REQUESTS_CA_BUNDLE: BUNDLE,
  NODE_EXTRA_CA_CERTS: BUNDLE,
  GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: BUNDLE,
  WGETRC: BUNDLE,
  JAVA_TOOL_OPTIONS:
    '-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8080 -Djavax.net.ssl.trustStore=/ca/truststore.p12 -Djavax.net.ssl.trustStorePassword=changeit',
}

const IDLE: SidecarFacts = {
  ready: true,
  reasons: [],
  requests: 0,
  interception: [],
  rejected: {},
  failures: [],
}

type Given = {
  readonly configuration?: Partial<ConfigurationFacts>
  readonly env?: ApplicationFacts['env']
  readonly trust?: ApplicationFacts['trust']
  readonly command?: string
  readonly sidecar?: Partial<SidecarFacts>
  readonly network?: Partial<NetworkFacts>
  readonly isComplete?: boolean
}

function factsOf(given: Given): DoctorFacts {
  return {
    configuration: {
      hosts: [HOST],
      proxyPorts: [8080],
      adminPort: 9090,
      transparent: [],
      intercepts: true,
      ...given.configuration,
    },
    application: {
      env: given.env ?? GOOD,
      runtimes: recogniseRuntimes([given.command ?? 'curl']),
      trust: given.trust ?? CA_TRUSTED,
    },
    sidecar: { ...IDLE, ...given.sidecar },
    network: { addresses: new Map(), nftables: undefined, ...given.network },
    isComplete: given.isComplete ?? false,
  }
}

function found(given: Given): string[] {
  return diagnose(factsOf(given)).map(({ code, message, fix }) => `${code}: ${message}. ${fix}`)
}

test.for(['curl', 'wget', 'git', 'python3', 'pip', 'node', 'npm', 'java', 'go', '/app/server'])(
  'nothing is wrong with %s in a complete environment',
  (command) => {
    expect(found({ command })).toEqual([])
  },
)

const handshakes = (counts: Readonly<Record<string, number>>, reason?: string) => ({
  interception: [{ host: HOST, handshakes: { ok: 0, ...counts }, reason }],
})

const TRANSPARENT = { transparent: [{ host: '::', port: 15_001 }] }

test.for<{ name: string; given: Given; code: string; says: string[] }>([
  {
    name: 'no proxy variable',
    given: { env: { ...GOOD, https_proxy: '', HTTPS_PROXY: '' } },
    code: 'proxy_ignored',
    says: ['no variable names the proxy', `https_proxy=${PROXY}`],
  },
  {
    name: 'a proxy variable in the spelling that wget ignores',
    given: { command: 'wget', env: { ...GOOD, https_proxy: '' } },
    code: 'proxy_ignored',
    says: ['(https_proxy)'],
  },
  {
    name: 'Node without NODE_USE_ENV_PROXY',
    given: { command: 'node', env: { ...GOOD, NODE_USE_ENV_PROXY: '' } },
    code: 'proxy_ignored',
    says: ['Set NODE_USE_ENV_PROXY=1'],
  },
  {
    name: 'Java without system properties',
    given: {
      command: 'java',
      env: { HTTPS_PROXY: PROXY },
      configuration: { intercepts: false },
    },
    code: 'proxy_ignored',
    says: ['the JVM ignores HTTPS_PROXY', '-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8080'],
  },
  {
    name: 'NO_PROXY with the host',
    given: { env: { ...GOOD, NO_PROXY: 'localhost,.partner.example' } },
    code: 'no_proxy',
    says: ['".partner.example"', HOST],
  },
  {
    name: 'http.nonProxyHosts with the host',
    given: {
      command: 'java',
      env: {
        JAVA_TOOL_OPTIONS: `${GOOD.JAVA_TOOL_OPTIONS} -Dhttp.nonProxyHosts=localhost|*.example`,
      },
    },
    code: 'no_proxy',
    says: ['"*.example"', 'http.nonProxyHosts'],
  },
  {
    name: 'the port of the admin listener',
    given: { env: { ...GOOD, https_proxy: 'http://127.0.0.1:9090' } },
    code: 'wrong_port',
    says: ['port 9090, the admin listener', PROXY],
  },
  {
    name: 'a port of another program',
    given: { env: { ...GOOD, https_proxy: 'http://127.0.0.1:3128' } },
    code: 'wrong_port',
    says: ['port 3128, where the sidecar does not listen'],
  },
  {
    name: 'no CA variable',
    given: { env: { https_proxy: PROXY } },
    code: 'ca_not_trusted',
    says: ['no variable names a CA', 'Set CURL_CA_BUNDLE'],
  },
  {
    name: 'a CA variable of another runtime',
    given: { command: 'git', env: { https_proxy: PROXY, SSL_CERT_FILE: BUNDLE } },
    code: 'ca_not_trusted',
    says: ['Set GIT_SSL_CAINFO'],
  },
  {
    name: 'a bundle without the CA',
    given: { trust: new Map([[BUNDLE, 'other']]) },
    code: 'ca_not_trusted',
    says: [`CURL_CA_BUNDLE names "${BUNDLE}"`, 'does not contain the CA'],
  },
  {
    name: 'a truststore without its password',
    given: {
      command: 'java',
      env: {
        JAVA_TOOL_OPTIONS:
          '-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8080 -Djavax.net.ssl.trustStore=/ca/truststore.p12',
      },
    },
    code: 'ca_not_trusted',
    says: ['without its password'],
  },
  {
    name: 'rejected certificates although the CA is trusted',
    given: { sidecar: handshakes({ bad_certificate: 2 }) },
    code: 'certificate_pinned',
    says: [HOST, 'pins another certificate', 'base URL'],
  },
  {
    name: 'a client that accepts HTTP/2 only',
    given: { sidecar: handshakes({ protocol: 1 }, 'no common application protocol: "h2" only') },
    code: 'http2_required',
    says: [HOST, 'http2: never'],
  },
  {
    name: 'a client without a server name',
    given: { sidecar: handshakes({ no_sni: 1 }) },
    code: 'no_server_name',
    says: [HOST, 'SNI'],
  },
  {
    name: 'a redirected client without a server name',
    given: { configuration: TRANSPARENT, sidecar: { rejected: { no_server_name: 1 } } },
    code: 'no_server_name',
    says: ['SNI'],
  },
  {
    name: 'a client with another server name',
    given: { sidecar: handshakes({ sni_mismatch: 1 }) },
    code: 'encrypted_client_hello',
    says: ['ECH'],
  },
  {
    name: 'a redirected client with an encrypted server name',
    given: { configuration: TRANSPARENT, sidecar: { rejected: { encrypted_hello: 1 } } },
    code: 'encrypted_client_hello',
    says: ['ECH'],
  },
  {
    name: 'a transparent listener for IPv4 only',
    given: { configuration: { transparent: [{ host: '0.0.0.0', port: 15_001 }] } },
    code: 'ipv6_bypass',
    says: ['[::]:15001'],
  },
  {
    name: 'redirect rules for IPv4 only',
    given: {
      configuration: TRANSPARENT,
      network: {
        nftables:
          'table inet filter {\n}\ntable ip sidecar {\n\tchain output {\n\t\ttcp dport 443 redirect to :15001\n\t}\n}\n',
      },
    },
    code: 'ipv6_bypass',
    says: ['"inet"'],
  },
  {
    name: 'a host that cannot be resolved, with redirected connections',
    given: {
      configuration: TRANSPARENT,
      network: { addresses: new Map([[HOST, { fault: 'ENOTFOUND' }]]) },
    },
    code: 'dns',
    says: [HOST, 'ENOTFOUND'],
  },
  {
    name: 'a host in /etc/hosts, with redirected connections',
    given: {
      configuration: TRANSPARENT,
      network: { addresses: new Map([[HOST, { addresses: ['203.0.113.7', '::1'] }]]) },
    },
    code: 'dns',
    says: [HOST, 'resolved to ::1', '/etc/hosts'],
  },
  {
    name: 'an upstream that cannot be resolved',
    given: {
      sidecar: {
        requests: 1,
        failures: [
          {
            code: 'upstream_unreachable',
            reason: 'Cannot reach "a.test": DNS lookup failed: no such host',
            advice: 'Check the name.',
          },
        ],
      },
    },
    code: 'dns',
    says: ['DNS lookup failed', 'Check the name.'],
  },
  {
    name: 'a redirected TLS connection without "intercept"',
    given: {
      configuration: { ...TRANSPARENT, intercepts: false },
      sidecar: { rejected: { no_interception: 1 } },
    },
    code: 'interception_off',
    says: ['"intercept"'],
  },
  {
    name: 'a sidecar without its token',
    given: { sidecar: { ready: false, reasons: ['token "corp": not obtained yet'] } },
    code: 'sidecar_not_ready',
    says: ['token "corp"', 'check --live'],
  },
  {
    name: 'a command of which nothing arrived',
    given: { isComplete: true },
    code: 'nothing_arrived',
    says: [HOST],
  },
])('$name: $code', ({ given, code, says }) => {
  const [first, ...others] = found(given)
  expect(others).toEqual([])
  expect(first).toMatch(new RegExp(`^${code}: `))
  for (const part of says) expect(first).toContain(part)
})

test('a runtime that can use no proxy is named if nothing arrived', () => {
  const codes = diagnose(factsOf({ command: 'node', isComplete: true })).map(
    ({ code, runtime }) => ({ code, runtime }),
  )
  expect(codes).toEqual([
    { code: 'proxy_ignored', runtime: 'Node.js 20' },
    { code: 'nothing_arrived', runtime: null },
  ])
})

test('a runtime that can use no proxy is not named if requests arrived', () => {
  expect(found({ command: 'node', isComplete: true, sidecar: { requests: 1 } })).toEqual([])
})

test('closed connections of a host that works for others are not reported', () => {
  expect(found({ sidecar: handshakes({ ok: 5, closed: 1 }) })).toEqual([])
  expect(found({ sidecar: handshakes({ closed: 1 }) })).toHaveLength(1)
})

test('a rejected certificate without an examined application may be a pin', () => {
  const facts = { ...factsOf({ sidecar: handshakes({ unknown_ca: 1 }) }), application: undefined }
  expect(diagnose(facts)).toMatchObject([{ code: 'ca_not_trusted', host: HOST, runtime: null }])
})

test('a CA in the certificates of the system is trusted by runtimes that use them', () => {
  const trust = new Map<string, TrustFile>([['', 'trusted']])
  const env = { https_proxy: PROXY, NODE_USE_ENV_PROXY: '1', http_proxy: PROXY, grpc_proxy: PROXY }
  expect(found({ command: 'git', env, trust })).toEqual([])
  expect(found({ command: 'npm', env, trust })).toEqual([
    expect.stringContaining('Set npm_config_cafile'),
  ])
})

test('an application that calls the base URL of the sidecar needs no proxy', () => {
  const env = { ORDERS_URL: 'http://127.0.0.1:8080/orders', SSL_CERT_FILE: BUNDLE }
  expect(found({ env })).toEqual([])
})

test('without a connection to the sidecar only the environment is examined', () => {
  const facts = { ...factsOf({}), sidecar: { fault: 'connection refused' } }
  expect(diagnose(facts)).toMatchObject([
    { code: 'sidecar_unreachable', message: expect.stringContaining('connection refused') },
  ])
})

test.for([
  ['/usr/bin/python3.11', 'Python requests'],
  ['curl', 'curl'],
  ['./gradlew', 'other program'],
] as const)('%s is recognised as %s', ([program, name]) => {
  expect(recogniseRuntimes([program, 'app.py']).map((runtime) => runtime.name)).toContain(name)
})

test('a program in a shell command is recognised', () => {
  expect(recogniseRuntimes(['sh', '-c', 'cd /app && exec java -jar app.jar'])).toMatchObject([
    { name: 'Java' },
  ])
})
