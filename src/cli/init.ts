import { writeFile } from 'node:fs/promises'
import { EXIT, type Io } from './io.ts'

export type InitOptions = {
  readonly file: string
  readonly issuer: string
  readonly clientId: string
  readonly upstream: string
}

/** `init`: a file to start from. Never overwrites one. */
export async function init(options: InitOptions, io: Io): Promise<number> {
  const { file } = options
  try {
    await writeFile(file, starterConfig(options), { flag: 'wx' })
  } catch (cause) {
    const exists = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
    io.err(
      `Cannot write "${file}": ${exists ? 'it exists already' : 'no permission, or no such directory'}\n`,
    )
    return EXIT.failed
  }
  io.out(
    `Wrote ${file}. Put the client secret into the file that it names, then run\n` +
      `  token-sidecar check -c ${file}\n  token-sidecar run -c ${file}\n`,
  )
  return EXIT.ok
}

function starterConfig({ issuer, clientId, upstream }: InitOptions): string {
  return `# "token-sidecar schema > config.schema.json" lets an editor complete and check this file:
# yaml-language-server: $schema=./config.schema.json

listen: 127.0.0.1:8080 # where the application sends its requests
admin: 127.0.0.1:9090 # /metrics, /livez, /readyz and /status

credentials:
  default:
    issuer: ${quote(issuer)} # the token endpoint is discovered
    # tokenEndpoint: https://login.example.com/oauth2/token # instead of issuer, without discovery
    clientId: ${quote(clientId)}
    auth:
      method: client_secret_basic # or client_secret_post
      clientSecret: { file: ./client-secret } # or { env: CLIENT_SECRET }
    # scopes: [orders.read]
    # audience: https://api.example.com # for servers that want one
    # resource: https://api.example.com # RFC 8707

routes:
  - name: default
    match: { path: / } # every request; whole path segments, the longest match wins
    upstream: ${quote(upstream)}
    credential: default
    # timeouts: { connect: 5s, response: 60s, idle: 60s }
`
}

/** As a YAML string, whatever it contains: JSON strings are YAML strings, and `$${` is a plain `${`. */
function quote(text: string): string {
  const isPlain = /^https?:\/\/[\w.:/-]*\w$/.test(text) || /^[A-Za-z]+(?:[-_]\w+)+$/.test(text)
  return isPlain ? text : JSON.stringify(text.replaceAll('${', () => '$${'))
}
