import { writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import type { Problem } from '../config/problem.ts'
import { EXIT, type Io } from './io.ts'
import { starterConfig, type StarterOptions } from './starter-config.ts'

/** The options of the command line. */
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

/** The defaults of the options. */
export const INIT_DEFAULTS = {
  issuer: 'https://login.example.com',
  clientId: 'my-client',
  clientSecretFile: './client-secret',
  upstream: 'https://api.example.com',
  listen: '127.0.0.1:8080',
  admin: '127.0.0.1:9090',
} as const

/** `init`: writes a starter configuration, with `-` to standard output. Never overwrites a file. */
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

/** The problems that `check` would report, except for a missing secret. */
async function faultsOf(text: string, secretEnv = 'CLIENT_SECRET'): Promise<string[]> {
  const secret = 'a-secret'
  const result = await loadConfig(text, {
    env: { [secretEnv]: secret },
    readFile: async () => await Promise.resolve(secret),
  })
  return result.ok ? [] : result.problems.map((problem) => `error: ${formatFault(problem)}\n`)
}

function formatFault({ path, message }: Problem): string {
  const [, flag] = FLAGS.find(([prefix]) => path.startsWith(prefix)) ?? [undefined, path]
  return `${flag}: ${message}`
}

/** The option for each setting. */
const FLAGS: readonly (readonly [path: string, flag: string])[] = [
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
      ? `the file ${pathFromHere(clientSecret.file, file)}`
      : `the environment variable ${clientSecret.env}`
  const name = shellWord(file)
  return `Next:
  1. Put the client secret into ${secret}.
  2. Check the configuration, and fetch a token:
       token-sidecar check --live -c ${name}
  3. Run it:
       token-sidecar run -c ${name}
`
}

/** The path of a file that the configuration names, relative to the working directory. */
function pathFromHere(named: string, configuration: string): string {
  return isAbsolute(named) ? named : join(dirname(configuration), named)
}

/** Quotes a word for a POSIX shell if necessary. */
function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
