import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createSecureServer } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  PROGRAM_MODES,
  PROGRAM_SUPPORT,
  type ProgramMode,
  type ProgramName,
  type ProgramSupport,
} from '../../scripts/program-support.ts'
import { createAuthority } from '../helpers/certificates.ts'
import { type Outcome, runProgram, writeConfig } from '../helpers/cli.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { startGrpcServer } from '../helpers/grpc.ts'
import { portOf } from '../helpers/servers.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { MAY_SKIP } from '../helpers/tools.ts'
import { PROGRAMS } from './programs.ts'

const TOKEN = 'token-canary-4711'
/** Resolves only for the sidecar, to its upstream, so that a request that bypasses the sidecar fails. */
const HOST = 'api.partner.example'
/** What git requests first, and prints. */
const REFS = `${'0123456789'.repeat(4)}\trefs/heads/main\n`

type Api = {
  /** Of the route. */
  readonly upstream: string
  /** What a program prints that has reached it. */
  readonly response: string
  /** The values of \`Authorization\` and the protocols of the requests. */
  readonly requests: () => readonly { authorization: string | undefined; protocol: string }[]
}

/** An https API that serves HTTP/2 and HTTP/1.1. */
async function startApi(): Promise<Api> {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('api', ['localhost'])
  const requests: { authorization: string | undefined; protocol: string }[] = []
  const server = createSecureServer({ cert: certificate, key, allowHTTP1: true }, (req, res) => {
    requests.push({ authorization: req.headers.authorization, protocol: req.httpVersion })
    res.end(REFS)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const ca = await fileWith(authority.certificate)
  return {
    upstream: `upstream: 'https://localhost:${portOf(server)}', tls: { ca: { file: '${ca}' } }`,
    response: REFS,
    requests: () => requests,
  }
}

async function startGrpcApi(): Promise<Api> {
  const { url, calls } = await startGrpcServer()
  return {
    upstream: `upstream: '${url}', http2: always`,
    response: 'hello',
    requests: () =>
      calls.map((metadata) => ({
        authorization: metadata.get('authorization').map(String)[0],
        protocol: '2.0',
      })),
  }
}

async function configFor({ upstream }: Api): Promise<string> {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: TOKEN }),
  )
  return await writeConfig(`
credentials:
  corp: { tokenEndpoint: '${endpoint.url}', clientId: app, auth: { method: none } }
routes:
  - { name: partner, match: { host: ${HOST} }, credential: corp, ${upstream} }
  - { name: base, match: { path: / }, credential: corp, ${upstream} }
`)
}

/** Runs a program with \`exec\`, with nothing else in its environment. */
async function execProgram(file: string, command: readonly string[]): Promise<Outcome> {
  const { PATH = '', HOME = '' } = process.env
  return await runProgram(['exec', '-c', file, '--', ...command], { env: { PATH, HOME } })
}

/** Transparent mode is tested in transparent-programs.test.ts. */
type ExecMode = Exclude<ProgramMode, 'transparent'>

const URLS: Readonly<Record<ExecMode, (command: readonly string[]) => readonly string[]>> = {
  // The shell expands the variable that "exec" sets.
  'base URL': (command) => [
    'sh',
    '-c',
    'exec "$@" "$TOKEN_SIDECAR_URL/orders/7"',
    'sh',
    ...command,
  ],
  'http URL': (command) => [...command, `http://${HOST}/orders/7`],
  'https URL': (command) => [...command, `https://${HOST}/orders/7`],
}

const MODES: readonly ExecMode[] = ['base URL', 'http URL', 'https URL']

test('every mode is tested', () => {
  expect([...MODES, 'transparent']).toEqual(Object.keys(PROGRAM_MODES))
})

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'token-sidecar-programs-'))
})
afterAll(async () => await rm(directory, { recursive: true }))

describe.for<ProgramSupport & { program: ProgramName }>(PROGRAM_SUPPORT)(
  '$program',
  ({ program, fails = {} }) => {
    const { isInstalled, isOptional = false, isGrpc = false, prepare } = PROGRAMS[program]
    const maySkip = !isInstalled && (isOptional || MAY_SKIP)
    let prepared: ReturnType<typeof prepare> | undefined

    test.skipIf(maySkip).for(MODES)(
      'gets a token with the %s as the documentation says (skipped if it is not installed)',
      async (mode) => {
        prepared ??= prepare(directory)
        const command = await prepared
        const api = await (isGrpc ? startGrpcApi() : startApi())
        const outcome = await execProgram(await configFor(api), URLS[mode](command))
        const works = fails[mode] === undefined
        expect({ succeeds: outcome.code === 0, out: outcome.out }).toEqual({
          succeeds: works,
          out: works ? api.response : '',
        })
        const authorizations = new Set(api.requests().map(({ authorization }) => authorization))
        expect([...authorizations]).toEqual(works ? [`Bearer ${TOKEN}`] : [])
        expect(outcome.out + outcome.err).not.toContain(TOKEN)
      },
    )
  },
)

/** Programs that use HTTP/2 if the server does. */
const HTTP2_PROGRAMS = {
  curl: async () => ['curl', '--silent', '--http2', '--write-out', '%{stderr}%{http_version}'],
  'Java HttpClient': PROGRAMS['Java HttpClient'].prepare,
  'Go net/http': PROGRAMS['Go net/http'].prepare,
} as const satisfies Partial<Record<ProgramName, unknown>>

describe.for(['curl', 'Java HttpClient', 'Go net/http'] as const)('%s', (program) => {
  test.skipIf(!PROGRAMS[program].isInstalled && MAY_SKIP)(
    'uses HTTP/2 up to an upstream that speaks it (skipped if it is not installed)',
    async () => {
      const command = await HTTP2_PROGRAMS[program](directory)
      const api = await startApi()
      const log = join(await temporaryDirectory(), 'log')
      const { PATH = '', HOME = '' } = process.env
      const outcome = await runProgram(
        ['exec', '-c', await configFor(api), '--log', log, '--', ...URLS['https URL'](command)],
        { env: { PATH, HOME } },
      )
      expect(outcome).toMatchObject({ code: 0, out: api.response })
      expect(api.requests()).toEqual([{ authorization: `Bearer ${TOKEN}`, protocol: '2.0' }])
      expect(await readFile(log, 'utf8')).toContain('"protocol":"h2","mode":"intercepted"')
    },
  )
})
