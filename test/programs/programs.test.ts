import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createSecureServer } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  PROGRAM_MODES,
  PROGRAM_SUPPORT,
  type ProgramMode,
  type ProgramSupport,
} from '../../scripts/program-support.ts'
import { createAuthority } from '../helpers/certificates.ts'
import { runProgram, writeConfig } from '../helpers/cli.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { portOf } from '../helpers/servers.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { MAY_SKIP } from '../helpers/tools.ts'
import { PROGRAMS } from './programs.ts'

const TOKEN = 'token-canary-4711'
/** Resolves only for the sidecar, to its upstream, so that a request that bypasses the sidecar fails. */
const HOST = 'api.partner.example'
/** What git requests first, and prints. */
const REFS = `${'0123456789'.repeat(4)}\trefs/heads/main\n`

type Api = { readonly port: number; readonly ca: string; readonly authorizations: string[] }

/** An https API that serves HTTP/2 and HTTP/1.1. */
async function startApi(): Promise<Api> {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('api', ['localhost'])
  const authorizations: string[] = []
  const server = createSecureServer({ cert: certificate, key, allowHTTP1: true }, (req, res) => {
    authorizations.push(req.headers.authorization ?? 'none')
    res.end(REFS)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { port: portOf(server), ca: await fileWith(authority.certificate), authorizations }
}

async function configFor({ port, ca }: Api): Promise<string> {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: TOKEN }),
  )
  const upstream = `upstream: 'https://localhost:${port}', credential: corp, tls: { ca: { file: '${ca}' } }`
  return await writeConfig(`
credentials:
  corp: { tokenEndpoint: '${endpoint.url}', clientId: app, auth: { method: none } }
routes:
  - { name: partner, match: { host: ${HOST} }, ${upstream} }
  - { name: base, match: { path: / }, ${upstream} }
`)
}

const URLS: Readonly<Record<ProgramMode, (command: readonly string[]) => readonly string[]>> = {
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

const MODES: readonly ProgramMode[] = ['base URL', 'http URL', 'https URL']

test('every mode is tested', () => {
  expect(MODES).toEqual(Object.keys(PROGRAM_MODES))
})

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'token-sidecar-programs-'))
})
afterAll(async () => await rm(directory, { recursive: true }))

describe.for<ProgramSupport & { program: keyof typeof PROGRAMS }>(PROGRAM_SUPPORT)(
  '$program',
  ({ program, fails = {} }) => {
    const { isInstalled, isOptional = false, prepare } = PROGRAMS[program]
    const maySkip = !isInstalled && (isOptional || MAY_SKIP)
    let prepared: ReturnType<typeof prepare> | undefined

    test.skipIf(maySkip).for(MODES)(
      'gets a token with the %s as the documentation says (skipped if it is not installed)',
      async (mode) => {
        prepared ??= prepare(directory)
        const command = await prepared
        const api = await startApi()
        const file = await configFor(api)
        const { PATH, HOME } = process.env
        const outcome = await runProgram(['exec', '-c', file, '--', ...URLS[mode](command)], {
          env: { PATH: PATH ?? '', HOME: HOME ?? '' },
        })
        const works = fails[mode] === undefined
        expect({ succeeds: outcome.code === 0, out: outcome.out }).toEqual({
          succeeds: works,
          out: works ? REFS : '',
        })
        expect([...new Set(api.authorizations)]).toEqual(works ? [`Bearer ${TOKEN}`] : [])
        expect(outcome.out + outcome.err).not.toContain(TOKEN)
      },
    )
  },
)
