import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../bench/system/ports.ts'
import type { Processes } from '../../bench/system/processes.ts'
import { type Authority, createAuthority } from '../helpers/certificates.ts'
import {
  type AuthorizationServer,
  type Case,
  NotInstallable,
  type RunningServer,
  type Stage,
} from './authorization-server.ts'
import {
  type Client,
  createClient,
  credentialOf,
  writeAssertion,
  writeCredentials,
} from './clients.ts'
import { createHttpClient } from './http-client.ts'
import type { Installer } from './installer.ts'
import { type JwksServer, startJwksServer } from './jwks-server.ts'
import { type ProtectedApi, startProtectedApi } from './protected-api.ts'
import type { Outcome, ServerResult, Step } from './results.ts'
import {
  checkLive,
  revealToken,
  type SidecarProcess,
  startSidecarProcess,
} from './sidecar-process.ts'

const LIFETIME_SECONDS = 8
const SCOPE = 'orders.read'
const AUDIENCE = 'https://orders.example.com'

/** A token is renewed at half of its lifetime. */
const RENEWAL_DEADLINE_MS = 2 * LIFETIME_SECONDS * 1000
/** Less than the 60 s after which a rejected request is repeated in any case. */
const ROTATION_DEADLINE_MS = 30_000
const RESTART_DEADLINE_MS = 60_000

export type LifeCycleOptions = {
  readonly directory: string
  readonly installer: Installer
  readonly processes: Processes
  /** Stops before the next step when it is aborted. */
  readonly signal: AbortSignal
  progress(text: string): void
}

/** One case while it is run: three clients of one identifier, each with its own credentials. */
type TestedClient = {
  readonly case: Case
  readonly directory: string
  readonly wrongDirectory: string
  readonly clients: { readonly first: Client; readonly second: Client; readonly wrong: Client }
  /** The one whose credentials are in `directory`. */
  current: Client
  readonly outcomes: Map<Step, Outcome>
}

/** Runs all cases of one server, side by side, through one sidecar. */
export async function runLifeCycle(
  server: AuthorizationServer,
  options: LifeCycleOptions,
): Promise<ServerResult> {
  const { name, title } = server
  const { installer, progress, signal } = options
  let version: string
  try {
    version = await server.install(installer)
  } catch (error) {
    if (!(error instanceof NotInstallable)) throw error
    return { name, title, skipped: error.message }
  }

  const directory = join(options.directory, name)
  await mkdir(directory, { recursive: true })
  const authority = await createAuthority('token-sidecar compatibility matrix')
  const http = createHttpClient(authority.certificate)
  const jwks = await startJwksServer()
  const testedClients = await Promise.all(
    server.cases.map(async (each) => {
      return await createTestedClient(each, directory, authority, jwks.clusterIssuer)
    }),
  )
  const api = await startProtectedApi()
  const stage = await createStage(directory, authority, testedClients, { options, http, jwks })
  let running: RunningServer | undefined
  let sidecar: SidecarProcess | undefined
  let assertions: NodeJS.Timeout | undefined
  try {
    progress('starting')
    running = await server.start(stage)
    const { address, assertionAudience } = running
    const canRevoke = running.revoke !== undefined
    const register = async (client: Client): Promise<void> => {
      jwks.publish(client)
      await running?.register(client)
    }
    api.useVerifier(async (token) => {
      if (running === undefined) throw new Error('the authorization server is down')
      return await running.verify(token)
    })

    for (const each of testedClients) {
      await attempt(each, 'token', async () => {
        await register(each.clients.first)
        return {}
      })
      await writeCredentials(each.directory, each.clients.first, assertionAudience)
      await writeCredentials(each.wrongDirectory, each.clients.wrong, assertionAudience)
    }
    const assertingClients = testedClients.filter(
      (each) => each.case.method === 'client_assertion_file',
    )
    assertions = setInterval(() => {
      for (const each of assertingClients) {
        void writeAssertion(each.directory, each.current, assertionAudience)
      }
    }, ASSERTION_INTERVAL_MS)

    const configOf = (
      some: readonly TestedClient[],
      place: 'directory' | 'wrongDirectory',
      more: Readonly<Record<string, unknown>> = {},
    ): string =>
      JSON.stringify({
        listen: '127.0.0.1:0',
        admin: '127.0.0.1:0',
        log: { level: 'info', format: 'json', access: 'off' },
        credentials: Object.fromEntries(
          some.map((each) => [
            credentialName(each),
            {
              scopes: [SCOPE],
              ...credentialOf(each.case, each[place], address, stage.tls.caFile),
              ...more,
            },
          ]),
        ),
        routes: some.map((each) => ({
          name: credentialName(each),
          match: { path: `/${credentialName(each)}` },
          upstream: `${api.origin}/${credentialName(each)}`,
          credential: credentialName(each),
        })),
      })
    const writeConfig = async (file: string, text: string): Promise<string> => {
      const path = join(directory, file)
      await writeFile(path, text)
      return path
    }

    progress('fetching tokens')
    await Promise.all(
      testedClients.map(async (each) => {
        await attempt(each, 'token', async () => {
          const file = await writeConfig(
            `${credentialName(each)}.json`,
            configOf([each], 'directory'),
          )
          const { tokens, problems } = await checkLive(file)
          const [first] = tokens
          if (first === undefined) throw new Error(problems.map((one) => one.message).join('; '))
          if (first.error !== null) throw new Error(first.error.message)
          return {}
        })
      }),
    )

    const going = testedClients.filter(
      ({ outcomes }) => outcomes.get('token')?.verdict === 'passed',
    )
    if (going.length > 0 && !signal.aborted) {
      const file = await writeConfig('token-sidecar.json', configOf(going, 'directory'))
      sidecar = await startSidecarProcess(file)
      const run: Run = { sidecar, api, register, signal }
      const step = async (
        what: Step,
        tryStep: (each: TestedClient) => Promise<{ note?: string }>,
      ) => {
        if (signal.aborted) return
        await Promise.all(
          // The keys of a cluster are not rotated with the server.
          going
            .filter((each) => what !== 'rotation' || each.case.isWorkload !== true)
            .map(async (each) => await attempt(each, what, async () => await tryStep(each))),
        )
      }
      await step('token', async (each) => await useToken(each, run))
      progress('waiting for renewals')
      await step('renewal', async (each) => await awaitRenewal(each, run))
      progress('rejecting tokens in use')
      await step('rejectedToken', async (each) => {
        // The last one may just have been used, and servers accept each only once.
        await writeAssertion(each.directory, each.current, assertionAudience)
        return await replaceRejected(each, run, running)
      })
      progress('trying wrong secrets and keys')
      await step('wrongProof', async (each) => {
        await writeAssertion(each.wrongDirectory, each.clients.wrong, assertionAudience)
        const path = await writeConfig(
          `${credentialName(each)}-wrong.json`,
          configOf([each], 'wrongDirectory'),
        )
        return await adviseOnWrongProof(each, path)
      })
      progress('rotating secrets and keys')
      await step('rotation', async (each) => {
        return await rotate(each, run, async (next) => {
          each.current = next
          await writeCredentials(each.directory, next, assertionAudience)
        })
      })
      if (!signal.aborted) {
        progress('restarting the server')
        const stopping = running
        running = undefined
        await stopping.stop()
        running = await server.start(stage)
        await step('restart', async (each) => await recover(each, run))
      }
    }

    progress('asking for another scope and for an audience')
    const [subject] = going
    const unknownScope =
      subject === undefined || signal.aborted
        ? 'not run'
        : await tryUnknownScope(
            await writeConfig(
              'unknown-scope.json',
              configOf([subject], 'directory', { scopes: [SCOPE, 'orders.delete'] }),
            ),
          )
    const audience =
      subject === undefined || signal.aborted || running === undefined
        ? 'not run'
        : await tryAudience(
            await writeConfig(
              'audience.json',
              configOf([subject], 'directory', { audience: AUDIENCE }),
            ),
            subject,
            running,
          )
    return {
      name,
      title,
      version,
      address: 'issuer' in address ? 'issuer' : 'tokenEndpoint',
      validation: server.validation,
      isRevokedAtServer: canRevoke,
      cases: testedClients.map(resultOf),
      unknownScope,
      audience,
    }
  } finally {
    clearInterval(assertions)
    if (sidecar !== undefined) {
      await sidecar.stop()
      await writeFile(join(directory, 'sidecar.log'), sidecar.output())
    }
    await running?.stop()
    await Promise.all([api.close(), jwks.close(), http.close()])
  }
}

type Run = {
  readonly sidecar: SidecarProcess
  readonly api: ProtectedApi
  readonly register: (client: Client) => Promise<void>
  readonly signal: AbortSignal
}

const ASSERTION_INTERVAL_MS = 300
const POLL_INTERVAL_MS = 200

async function useToken(each: TestedClient, { sidecar, api }: Run): Promise<{ note?: string }> {
  const status = await call(each, sidecar)
  if (status === 200) return {}
  const why = api.lastRejection(credentialName(each))
  throw new Error(`the API answered ${status}${why === undefined ? '' : ` (${why})`}`)
}

/** The next token is there before the last one expires: every request succeeds meanwhile. */
async function awaitRenewal(
  each: TestedClient,
  { sidecar, api, signal }: Run,
): Promise<{ note?: string }> {
  const before = api.accepted(credentialName(each)).length
  await within(signal, RENEWAL_DEADLINE_MS, 'no second token', async () => {
    const status = await call(each, sidecar)
    if (status !== 200) throw new Error(`a request failed with ${status}`)
    return api.accepted(credentialName(each)).length > before
  })
  return {}
}

/** One request, whose token the API rejects: the client sees only the success of the next one. */
async function replaceRejected(
  each: TestedClient,
  { sidecar, api }: Run,
  server: RunningServer | undefined,
): Promise<{ note?: string }> {
  const last = api.accepted(credentialName(each)).at(-1) ?? ''
  if (server?.revoke === undefined) {
    api.reject(last)
  } else {
    await server.revoke(last, each.current)
  }
  const status = await call(each, sidecar)
  if (status !== 200) throw new Error(`the request failed with ${status}`)
  if (api.accepted(credentialName(each)).at(-1) === last) throw new Error('the token was accepted')
  return {}
}

async function adviseOnWrongProof(each: TestedClient, file: string): Promise<{ note?: string }> {
  const { tokens } = await checkLive(file)
  const error = tokens[0]?.error
  if (error === undefined || error === null) throw new Error('a wrong proof was accepted')
  const reported = codeIn(error.message)
  const wanted = PROOFS[each.case.method]
  const advice = error.advice ?? ''
  if (error.code !== 'token_rejected') throw new Error(`${error.code}: ${error.message}`)
  if (!wanted.test(advice)) {
    throw new Error(`${reported}, advice: ${advice === '' ? 'none' : `“${advice}”`}`)
  }
  return { note: reported }
}

/** The error code of RFC 6749 section 5.2 in a message, else the status, else the whole message. */
function codeIn(message: string): string {
  const code = /\b(?:invalid|unauthorized|unsupported|access)_[a-z_]+/.exec(message)?.[0]
  if (code !== undefined) return `\`${code}\``
  return /\bstatus \d+/.exec(message)?.[0] ?? message
}

/** What the advice has to mention. */
const PROOFS = {
  client_secret_basic: /secret/,
  client_secret_post: /secret/,
  client_secret_jwt: /\bsecret\b.*auth\.audience.*\btyp\b/,
  private_key_jwt: /\bkey\b.*auth\.audience.*\btyp\b/,
  client_assertion_file: /\bkey\b.*\baud\b.*\btyp\b/,
  tls_client_auth: /\bcertificate\b/,
  self_signed_tls_client_auth: /\bcertificate\b/,
} as const

/** The server changes first, the file later, as it happens to people. */
async function rotate(
  each: TestedClient,
  { sidecar, api, register, signal }: Run,
  replaceFiles: (next: Client) => Promise<void>,
): Promise<{ note?: string }> {
  const name = credentialName(each)
  const failuresBefore = sidecar.failures(name)
  await register(each.clients.second)
  await within(
    signal,
    RENEWAL_DEADLINE_MS,
    'the server still accepts the old credentials',
    async () => {
      await call(each, sidecar)
      return sidecar.failures(name) > failuresBefore
    },
  )
  const known = api.accepted(name).length
  await replaceFiles(each.clients.second)
  await within(signal, ROTATION_DEADLINE_MS, 'the changed file was not used', async () => {
    const status = await call(each, sidecar)
    return status === 200 && api.accepted(name).length > known
  })
  return {}
}

async function recover(
  each: TestedClient,
  { sidecar, api, signal }: Run,
): Promise<{ note?: string }> {
  const known = api.accepted(credentialName(each)).length
  await within(signal, RESTART_DEADLINE_MS, 'no token after the restart', async () => {
    const status = await call(each, sidecar)
    return status === 200 && api.accepted(credentialName(each)).length > known
  })
  return {}
}

async function tryUnknownScope(file: string): Promise<string> {
  const { tokens } = await checkLive(file)
  const [first] = tokens
  if (first?.error) return `rejected: ${codeIn(first.error.message)}`
  const granted = first?.obtained?.granted
  return granted === undefined || granted === null
    ? 'a token, without a word on its scopes'
    : `a token with \`${granted}\``
}

async function tryAudience(
  file: string,
  { case: { id } }: TestedClient,
  running: RunningServer,
): Promise<string> {
  const token = await revealToken(file, nameOf(id))
  if (token === undefined) return 'rejected'
  const { audience } = await running.verify(token)
  return audience.length === 0 ? 'none' : audience.map((one) => `\`${one}\``).join(', ')
}

async function call(each: TestedClient, { proxyUrl }: SidecarProcess): Promise<number> {
  const response = await fetch(`${proxyUrl}/${credentialName(each)}`)
  await response.arrayBuffer()
  return response.status
}

async function within(
  signal: AbortSignal,
  deadlineMs: number,
  failure: string,
  isDone: () => Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + deadlineMs
  while (!(await isDone())) {
    if (signal.aborted) throw new Error('interrupted')
    if (performance.now() > endMs) throw new Error(failure)
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS))
  }
}

/** A failed step leaves those after it as they are: each is tried by itself. */
async function attempt(
  { outcomes }: TestedClient,
  step: Step,
  tryStep: () => Promise<{ note?: string }>,
): Promise<void> {
  if (outcomes.get(step)?.verdict === 'failed') return
  try {
    outcomes.set(step, { verdict: 'passed', ...(await tryStep()) })
  } catch (error) {
    outcomes.set(step, {
      verdict: 'failed',
      note: error instanceof Error ? error.message : String(error),
    })
  }
}

function resultOf({ case: { id, auth, credential }, outcomes }: TestedClient) {
  const outcome = (step: Step): Outcome => outcomes.get(step) ?? { verdict: 'notRun' }
  const settings = Object.entries({
    ...(auth !== undefined && { auth }),
    ...credential,
  }).map(([key, value]) => `${key}: ${inline(value)}`)
  return {
    caseId: id,
    settings: settings.join(', '),
    outcomes: {
      token: outcome('token'),
      renewal: outcome('renewal'),
      rejectedToken: outcome('rejectedToken'),
      wrongProof: outcome('wrongProof'),
      rotation: outcome('rotation'),
      restart: outcome('restart'),
    },
  }
}

/** A value in YAML's flow style. */
function inline(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  const members = Object.entries(value).map(([key, each]) => `${key}: ${inline(each)}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

function credentialName({ case: { id } }: TestedClient): string {
  return nameOf(id)
}

function nameOf(id: string): string {
  return id.toLowerCase().replaceAll(/[^a-z_]+/g, '-')
}

async function createTestedClient(
  each: Case,
  directory: string,
  authority: Authority,
  clusterIssuer: string,
): Promise<TestedClient> {
  const [first, second, wrong] = await Promise.all([
    createClient(each, authority, clusterIssuer),
    createClient(each, authority, clusterIssuer),
    createClient(each, authority, clusterIssuer),
  ])
  return {
    case: each,
    directory: join(directory, 'credentials', nameOf(each.id)),
    wrongDirectory: join(directory, 'wrong-credentials', nameOf(each.id)),
    clients: { first, second, wrong },
    current: first,
    outcomes: new Map(),
  }
}

async function createStage(
  directory: string,
  authority: Authority,
  testedClients: readonly TestedClient[],
  {
    options,
    http,
    jwks,
  }: {
    readonly options: LifeCycleOptions
    readonly http: Stage['http']
    readonly jwks: JwksServer
  },
): Promise<Stage> {
  const { certificate, key } = await authority.issue('localhost', ['localhost', '127.0.0.1'])
  const write = async (file: string, text: string): Promise<string> => {
    const path = join(directory, file)
    await writeFile(path, text, { mode: 0o600 })
    return path
  }
  const selfSigned = testedClients
    .filter((each) => each.case.method === 'self_signed_tls_client_auth')
    .flatMap(({ clients }) => [clients.first, clients.second, clients.wrong])
    .map((client) => client.certificate.certificate)
  return {
    directory: join(directory, 'server'),
    port: await freePort(),
    adminPort: await freePort(),
    tls: {
      caFile: await write('ca.pem', authority.certificate),
      certificateFile: await write('server.pem', certificate),
      keyFile: await write('server-key.pem', key),
      clientTrustFile: await write(
        'client-trust.pem',
        [authority.certificate, ...selfSigned].join('\n'),
      ),
    },
    processes: options.processes,
    installer: options.installer,
    http,
    lifetimeSeconds: LIFETIME_SECONDS,
    scope: SCOPE,
    audience: AUDIENCE,
    clusterIssuer: jwks.clusterIssuer,
    jwksUrl: (clientId) => `${jwks.origin}/${clientId}`,
  }
}
