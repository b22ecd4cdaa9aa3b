import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Processes } from '../../bench/system/processes.ts'
import { createAuthority } from '../helpers/certificates.ts'
import {
  type AuthorizationServer,
  NotInstallable,
  type RunningServer,
} from './authorization-server.ts'
import { type Client, credentialOf, writeAssertion, writeCredentials } from './clients.ts'
import { adviseOnWrongCredentials, tryAudience, tryUnknownScope } from './command-steps.ts'
import { createHttpClient } from './http-client.ts'
import type { Installer } from './installer.ts'
import { startJwksServer } from './jwks-server.ts'
import { startProtectedApi } from './protected-api.ts'
import type { ServerResult, Step } from './results.ts'
import { checkLive, type SidecarProcess, startSidecarProcess } from './sidecar-process.ts'
import { AUDIENCE, createStage, SCOPE } from './stage.ts'
import { awaitRenewal, recover, replaceRejected, rotate, type Run, useToken } from './steps.ts'
import {
  attempt,
  createTestedClient,
  credentialName,
  resultOf,
  type TestedClient,
} from './tested-client.ts'

/** How often a new assertion is written, because servers accept each only once. */
const ASSERTION_INTERVAL_MS = 300

export type LifeCycleOptions = {
  readonly directory: string
  readonly installer: Installer
  readonly processes: Processes
  /** Aborting it ends the run before the next step. */
  readonly signal: AbortSignal
  progress(text: string): void
}

/** Runs all cases of one server concurrently, through one sidecar. */
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
  const stage = await createStage(directory, authority, testedClients, { ...options, http, jwks })
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
      directoryKey: 'directory' | 'wrongDirectory',
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
              ...credentialOf(each.case, each[directoryKey], address, stage.tls.caFile),
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

    const working = testedClients.filter(
      ({ outcomes }) => outcomes.get('token')?.result === 'passed',
    )
    if (working.length > 0 && !signal.aborted) {
      const file = await writeConfig('token-sidecar.json', configOf(working, 'directory'))
      sidecar = await startSidecarProcess(file)
      const run: Run = { sidecar, api, register, signal }
      const step = async (
        what: Step,
        tryStep: (each: TestedClient) => Promise<{ note?: string }>,
      ) => {
        if (signal.aborted) return
        await Promise.all(
          // The keys of a cluster are not rotated with the server.
          working
            .filter((each) => what !== 'rotation' || each.case.isWorkload !== true)
            .map(async (each) => await attempt(each, what, async () => await tryStep(each))),
        )
      }
      await step('token', async (each) => await useToken(each, run))
      progress('waiting for renewals')
      await step('renewal', async (each) => await awaitRenewal(each, run))
      progress('rejecting tokens in use')
      await step('rejectedToken', async (each) => {
        // The last assertion may have been used, and servers accept each only once.
        await writeAssertion(each.directory, each.current, assertionAudience)
        return await replaceRejected(each, run, running)
      })
      progress('trying wrong secrets and keys')
      await step('wrongCredentials', async (each) => {
        await writeAssertion(each.wrongDirectory, each.clients.wrong, assertionAudience)
        const path = await writeConfig(
          `${credentialName(each)}-wrong.json`,
          configOf([each], 'wrongDirectory'),
        )
        return await adviseOnWrongCredentials(each, path)
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

    progress('requesting another scope and an audience')
    const [subject] = working
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
