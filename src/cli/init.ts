import { writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import type { Problem } from '../config/problem.ts'
import { EXIT, type Io } from './io.ts'
import { starterConfig, type StarterOptions } from './starter-config.ts'

/** What the command line says; the names are those of its options. */
export type InitOptions = {
  readonly issuer?: string
  readonly tokenEndpoint?: string
  readonly clientId?: string
  readonly clientSecretFile?: string
  readonly clientSecretEnv?: string
  readonly scope?: readonly string[]
  readonly upstream?: string
  readonly host?: string
  readonly path?: string
  readonly listen?: string
  readonly admin?: string
}

/** For what is not given. */
export const INIT_DEFAULTS = {
  issuer: 'https://login.example.com',
  clientId: 'my-client',
  clientSecretFile: './client-secret',
  upstream: 'https://api.example.com',
  listen: '127.0.0.1:8080',
  admin: '127.0.0.1:9090',
} as const

/** `init`: a file to start from, or with `-` its text. Never overwrites one. */
export async function init(file: string, options: InitOptions, io: Io): Promise<number> {
  const starter = starterOf(options)
  const text = starterConfig(starter)
  const faults = await faultsOf(text, options.clientSecretEnv)
  if (faults.length > 0) {
    io.err(faults.join(''))
    return EXIT.usage
  }
  if (file === '-') {
    io.out(text)
    return EXIT.ok
  }
  try {
    await writeFile(file, text, { flag: 'wx' })
  } catch (cause) {
    const exists = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
    io.err(
      `Cannot write "${file}": ${exists ? 'it exists already' : 'no permission, or no such directory'}\n`,
    )
    return EXIT.failed
  }
  io.out(`Wrote ${file}.\n${nextSteps(file, starter)}`)
  return EXIT.ok
}

function starterOf(options: InitOptions): StarterOptions {
  const { issuer = INIT_DEFAULTS.issuer, tokenEndpoint, clientSecretEnv, scope = [] } = options
  const { clientSecretFile = INIT_DEFAULTS.clientSecretFile, host, path } = options
  return {
    listen: options.listen ?? INIT_DEFAULTS.listen,
    admin: options.admin ?? INIT_DEFAULTS.admin,
    server: tokenEndpoint === undefined ? { issuer } : { tokenEndpoint },
    clientId: options.clientId ?? INIT_DEFAULTS.clientId,
    clientSecret:
      clientSecretEnv === undefined ? { file: clientSecretFile } : { env: clientSecretEnv },
    scopes: scope,
    match: { host, path },
    upstream: options.upstream ?? INIT_DEFAULTS.upstream,
  }
}

/** What `check` would say of what was given; the secret itself may come later. */
async function faultsOf(text: string, secretEnv = 'CLIENT_SECRET'): Promise<string[]> {
  const secret = 'a-secret'
  const result = await loadConfig(text, {
    env: { [secretEnv]: secret },
    readFile: async () => await Promise.resolve(secret),
  })
  return result.ok ? [] : result.problems.map((problem) => `error: ${formatFault(problem)}\n`)
}

function formatFault({ path, message }: Problem): string {
  const [, flag] = FLAGS.find(([place]) => path.startsWith(place)) ?? [undefined, path]
  return `${flag}: ${message}`
}

/** Which option fills in which place. */
const FLAGS: readonly (readonly [place: string, flag: string])[] = [
  ['listen', '--listen'],
  ['admin', '--admin'],
  ['credentials.default.issuer', '--issuer'],
  ['credentials.default.tokenEndpoint', '--token-endpoint'],
  ['credentials.default.clientId', '--client-id'],
  ['credentials.default.auth.clientSecret.file', '--client-secret-file'],
  ['credentials.default.auth.clientSecret.env', '--client-secret-env'],
  ['credentials.default.scopes', '--scope'],
  ['routes[0].match.host', '--host'],
  ['routes[0].match.path', '--path'],
  ['routes[0].upstream', '--upstream'],
]

function nextSteps(file: string, { clientSecret }: StarterOptions): string {
  const secret =
    'file' in clientSecret
      ? `the file ${placeOf(clientSecret.file, file)}`
      : `the environment variable ${clientSecret.env}`
  const name = shellWord(file)
  return `Next:
  1. Put the client secret into ${secret}.
  2. See whether all is right, and a token comes:
       token-sidecar check --live -c ${name}
  3. Run it:
       token-sidecar run -c ${name}
`
}

/** Where a file that the configuration names is, seen from here. */
function placeOf(named: string, configuration: string): string {
  return isAbsolute(named) ? named : join(dirname(configuration), named)
}

/** So that a line can be copied into a shell. */
function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
