export type StarterOptions = {
  readonly listen: string
  readonly admin: string
  /** The authorization server. */
  readonly server: { readonly issuer: string } | { readonly tokenEndpoint: string }
  readonly clientId: string
  readonly clientSecret: { readonly file: string } | { readonly env: string }
  readonly scopes: readonly string[]
  readonly match: { readonly host?: string | undefined; readonly path?: string | undefined }
  readonly upstream: string
}

/** A configuration with one route and one credential, and comments for optional settings. */
export function starterConfig(options: StarterOptions): string {
  const { listen, admin, server, clientId, clientSecret, scopes, match, upstream } = options
  return `# "token-sidecar schema > config.schema.json" lets an editor complete and check this file:
# yaml-language-server: $schema=./config.schema.json

listen: ${quote(listen)} # where the application sends its requests
admin: ${quote(admin)} # /metrics, /livez, /readyz and /status

credentials:
  default:
${serverLines(server)}
    clientId: ${quote(clientId)}
    auth:
      method: client_secret_basic # or client_secret_post
      clientSecret: ${secretLine(clientSecret)}
    ${scopesLine(scopes)}
    # audience: https://api.example.com # for servers that require one
    # resource: https://api.example.com # RFC 8707

routes:
  - name: default
    match: ${matchLine(match)}
    upstream: ${quote(upstream)}
    credential: default
    # timeouts: { connect: 5s, response: 60s, idle: 60s }
`
}

function serverLines(server: StarterOptions['server']): string {
  return 'issuer' in server
    ? `    issuer: ${quote(server.issuer)} # the token endpoint is discovered
    # tokenEndpoint: https://login.example.com/oauth2/token # instead of issuer, without discovery`
    : `    tokenEndpoint: ${quote(server.tokenEndpoint)}
    # issuer: https://login.example.com # instead of tokenEndpoint, which is then discovered`
}

function secretLine(secret: StarterOptions['clientSecret']): string {
  return 'file' in secret
    ? `{ file: ${quote(secret.file)} } # or { env: CLIENT_SECRET }`
    : `{ env: ${quote(secret.env)} } # or { file: ./client-secret }`
}

function scopesLine(scopes: readonly string[]): string {
  return scopes.length === 0
    ? '# scopes: [orders.read]'
    : `scopes: [${scopes.map(quote).join(', ')}]`
}

function matchLine({ host, path }: StarterOptions['match']): string {
  const parts = [
    ...(host === undefined ? [] : [`host: ${quote(host)}`]),
    ...(path === undefined ? [] : [`path: ${quote(path)}`]),
  ]
  return parts.length === 0
    ? '{ path: / } # every request; whole path segments, the longest match wins'
    : `{ ${parts.join(', ')} } # whole path segments, the longest match wins`
}

/** As a YAML string, whatever it contains: JSON strings are YAML strings, and `$${` is a plain `${`. */
function quote(text: string): string {
  const isPlain = PLAIN.some((form) => form.test(text)) && !KEYWORD.test(text)
  return isPlain ? text : JSON.stringify(text.replaceAll('${', () => '$${'))
}

/** URLs, addresses, paths and names that need no quotes, in flow or block style. */
const PLAIN = [
  /^https?:\/\/[\w.:/-]*\w$/,
  /^\d+(?:\.\d+){3}:\d+$/,
  /^\/$/,
  /^(?:\.{0,2}\/)?[A-Za-z](?:[\w./-]*\w)?$/,
]

/** Plain scalars that a YAML 1.1 or 1.2 parser does not read as a string. */
const KEYWORD = /^(?:true|false|null|yes|no|on|off|y|n)$/i
