/** How a program reaches an API through the sidecar: by which URL, started with `exec`; or redirected by rules. */
export const PROGRAM_MODES = {
  'base URL': 'the URL of the sidecar',
  'http URL': 'the http URL of the API',
  'https URL': 'the https URL of the API',
  transparent: 'the https URL of the API, whose connections are redirected',
} as const

export type ProgramMode = keyof typeof PROGRAM_MODES

/** What test/programs/ verifies with the real programs; docs/runtimes.md shows it. */
export type ProgramSupport = {
  readonly program: string
  /** Why it does not work in a mode. */
  readonly fails?: Partial<Readonly<Record<ProgramMode, string>>>
}

const NO_PROXY_SUPPORT = 'ignores proxy variables'
const TUNNELLED = 'uses CONNECT without TLS'

export const PROGRAM_SUPPORT = [
  { program: 'curl' },
  { program: 'wget' },
  { program: 'git' },
  { program: 'Python urllib' },
  { program: 'Python requests' },
  { program: 'Python httpx' },
  {
    program: 'Python aiohttp',
    fails: { 'http URL': NO_PROXY_SUPPORT, 'https URL': NO_PROXY_SUPPORT },
  },
  { program: 'Node.js 26 fetch' },
  { program: 'Node.js 26 node:https' },
  { program: 'Node.js 26 axios' },
  {
    program: 'Node.js 20 fetch',
    fails: { 'http URL': NO_PROXY_SUPPORT, 'https URL': NO_PROXY_SUPPORT },
  },
  { program: 'Node.js 20 axios' },
  { program: 'Java HttpClient' },
  { program: 'Java HttpURLConnection' },
  { program: 'Go net/http' },
  { program: 'gRPC for Node.js', fails: { 'http URL': TUNNELLED } },
  { program: 'gRPC for Python', fails: { 'http URL': TUNNELLED } },
] as const satisfies readonly ProgramSupport[]

export type ProgramName = (typeof PROGRAM_SUPPORT)[number]['program']
