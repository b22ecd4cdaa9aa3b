/**
 * How runtimes and programs are configured to use a proxy and to trust a CA, without changing them. `exec`, `ca`,
 * `doctor` and docs/runtimes.md use this table.
 */
export type Runtime = {
  readonly name: string
  /** The names of executables that are this runtime. */
  readonly programs: readonly string[]
  readonly proxy: ProxySetting
  readonly trust: TrustSetting
  /** Whether it connects to loopback addresses directly, whatever `NO_PROXY` says. */
  readonly bypassesLoopback: boolean
  /** Whether it does not use the certificates of the system, so that a CA installed there has no effect. */
  readonly hasOwnRoots?: boolean
  readonly note?: string
}

/** How it is told to send requests for https URLs to a proxy. */
export type ProxySetting =
  /** The URL of the proxy in one of these variables; the first that is set takes precedence. */
  | {
      readonly kind: 'variables'
      readonly names: readonly string[]
      /** A variable that must be "1" for the others to have an effect. */
      readonly enabledBy?: string
    }
  /** System properties of the JVM, which `JAVA_TOOL_OPTIONS` can set. */
  | { readonly kind: 'jvm' }
  /** No variable does it. */
  | { readonly kind: 'none'; readonly instead: string }

/** How it is told to trust a CA. */
export type TrustSetting =
  /** The path of a PEM file in one of these variables; the first that is set takes precedence. */
  | { readonly kind: 'variables'; readonly names: readonly string[] }
  /** `ca_certificate` in the file that `WGETRC` names. */
  | { readonly kind: 'wgetrc' }
  /** A PKCS#12 truststore and its password in system properties, which `JAVA_TOOL_OPTIONS` can set. */
  | { readonly kind: 'jvm' }
  | { readonly kind: 'none'; readonly instead: string }

const EITHER_CASE = { kind: 'variables', names: ['https_proxy', 'HTTPS_PROXY'] } as const
const TRANSPARENT = 'a listener with "mode: transparent"'

export const RUNTIMES: readonly Runtime[] = [
  {
    name: 'curl',
    programs: ['curl'],
    proxy: EITHER_CASE,
    trust: variables('CURL_CA_BUNDLE', 'SSL_CERT_FILE'),
    bypassesLoopback: false,
    note: 'For http URLs only http_proxy in lower case.',
  },
  {
    name: 'wget',
    programs: ['wget'],
    proxy: variables('https_proxy'),
    trust: { kind: 'wgetrc' },
    bypassesLoopback: false,
    note: 'Proxy variables in lower case only.',
  },
  {
    name: 'git',
    programs: ['git'],
    proxy: EITHER_CASE,
    trust: variables('GIT_SSL_CAINFO'),
    bypassesLoopback: false,
    note: 'The setting http.proxy of git takes precedence over variables.',
  },
  {
    name: 'Python urllib, httpx',
    programs: ['python', 'python3'],
    proxy: EITHER_CASE,
    trust: variables('SSL_CERT_FILE'),
    bypassesLoopback: false,
  },
  {
    name: 'Python requests',
    programs: ['python', 'python3'],
    proxy: EITHER_CASE,
    trust: variables('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'),
    bypassesLoopback: false,
    hasOwnRoots: true,
    note: 'SSL_CERT_FILE has no effect.',
  },
  {
    name: 'pip',
    programs: ['pip', 'pip3'],
    proxy: EITHER_CASE,
    trust: variables('PIP_CERT', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'),
    bypassesLoopback: false,
    hasOwnRoots: true,
  },
  {
    name: 'Python aiohttp',
    programs: ['python', 'python3'],
    proxy: { kind: 'none', instead: `trust_env=True in its code, or ${TRANSPARENT}` },
    trust: variables('SSL_CERT_FILE'),
    bypassesLoopback: false,
  },
  {
    name: 'Node.js 24 and newer',
    programs: ['node'],
    proxy: {
      kind: 'variables',
      names: ['https_proxy', 'HTTPS_PROXY'],
      enabledBy: 'NODE_USE_ENV_PROXY',
    },
    trust: variables('NODE_EXTRA_CA_CERTS'),
    bypassesLoopback: false,
    hasOwnRoots: true,
    note: 'fetch, node:https and undici; also Node.js 22.21 and newer.',
  },
  {
    name: 'Node.js 20',
    programs: ['node'],
    proxy: { kind: 'none', instead: `Node.js 24, axios, or ${TRANSPARENT}` },
    trust: variables('NODE_EXTRA_CA_CERTS'),
    bypassesLoopback: false,
    hasOwnRoots: true,
  },
  {
    name: 'axios',
    programs: ['node'],
    proxy: EITHER_CASE,
    trust: variables('NODE_EXTRA_CA_CERTS'),
    bypassesLoopback: false,
    hasOwnRoots: true,
    note: 'On any version of Node.js.',
  },
  {
    name: 'npm',
    programs: ['npm', 'npx'],
    proxy: EITHER_CASE,
    trust: variables('npm_config_cafile', 'NODE_EXTRA_CA_CERTS'),
    bypassesLoopback: false,
    hasOwnRoots: true,
  },
  {
    name: 'gRPC for Node.js (grpc-js)',
    programs: ['node'],
    proxy: variables('grpc_proxy', 'https_proxy', 'http_proxy'),
    trust: variables('GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', 'NODE_EXTRA_CA_CERTS'),
    bypassesLoopback: false,
    hasOwnRoots: true,
    note: 'Proxy variables in lower case only; no_grpc_proxy takes precedence over no_proxy.',
  },
  {
    name: 'gRPC for Python, Ruby, C++ (grpcio)',
    programs: ['python', 'python3', 'ruby'],
    proxy: variables('grpc_proxy', 'https_proxy', 'http_proxy'),
    trust: variables('GRPC_DEFAULT_SSL_ROOTS_FILE_PATH'),
    bypassesLoopback: false,
    hasOwnRoots: true,
    note: 'Proxy variables in lower case only; no_grpc_proxy takes precedence over no_proxy.',
  },
  {
    name: 'Go net/http, grpc-go',
    programs: ['go'],
    proxy: { kind: 'variables', names: ['HTTPS_PROXY', 'https_proxy'] },
    trust: variables('SSL_CERT_FILE'),
    bypassesLoopback: true,
    note: 'Also programs written in Go, such as kubectl, helm and terraform.',
  },
  {
    name: 'Java',
    programs: ['java', 'gradle', 'mvn'],
    proxy: { kind: 'jvm' },
    trust: { kind: 'jvm' },
    bypassesLoopback: true,
    hasOwnRoots: true,
    note: 'HttpClient and HttpURLConnection. Without the password the truststore appears to be empty.',
  },
  {
    name: '.NET HttpClient',
    programs: ['dotnet'],
    proxy: EITHER_CASE,
    trust: variables('SSL_CERT_FILE'),
    bypassesLoopback: false,
  },
  {
    name: 'Ruby Net::HTTP',
    programs: ['ruby'],
    proxy: EITHER_CASE,
    trust: variables('SSL_CERT_FILE'),
    bypassesLoopback: false,
  },
  {
    name: 'Deno',
    programs: ['deno'],
    proxy: EITHER_CASE,
    trust: variables('DENO_CERT'),
    bypassesLoopback: false,
    hasOwnRoots: true,
  },
  {
    name: 'AWS CLI, boto3',
    programs: ['aws'],
    proxy: EITHER_CASE,
    trust: variables('AWS_CA_BUNDLE', 'REQUESTS_CA_BUNDLE'),
    bypassesLoopback: false,
    hasOwnRoots: true,
  },
  {
    name: 'gcloud',
    programs: ['gcloud'],
    proxy: EITHER_CASE,
    trust: variables('CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE'),
    bypassesLoopback: false,
  },
  {
    name: 'Cargo',
    programs: ['cargo'],
    proxy: EITHER_CASE,
    trust: variables('CARGO_HTTP_CAINFO'),
    bypassesLoopback: false,
  },
  {
    name: 'Rust rustls (ureq, reqwest)',
    programs: [],
    proxy: EITHER_CASE,
    trust: {
      kind: 'none',
      instead:
        'the native roots in its code, and then SSL_CERT_FILE; most builds contain the roots',
    },
    bypassesLoopback: false,
    hasOwnRoots: true,
  },
  {
    name: 'apt',
    programs: ['apt', 'apt-get'],
    proxy: variables('https_proxy'),
    trust: { kind: 'none', instead: 'Acquire::https::CAInfo in apt.conf' },
    bypassesLoopback: false,
  },
]

function variables(...names: string[]): { kind: 'variables'; names: readonly string[] } {
  return { kind: 'variables', names }
}
