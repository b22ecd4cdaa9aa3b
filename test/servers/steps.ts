import type { RunningServer } from './authorization-server.ts'
import type { Client } from './clients.ts'
import type { ProtectedApi } from './protected-api.ts'
import type { SidecarProcess } from './sidecar-process.ts'
import { LIFETIME_SECONDS } from './stage.ts'
import { credentialName, type TestedClient } from './tested-client.ts'

/** A token is renewed at half of its lifetime. */
const RENEWAL_DEADLINE_MS = 2 * LIFETIME_SECONDS * 1000
/** Less than the 60 s after which a rejected token request is retried anyway. */
const ROTATION_DEADLINE_MS = 30_000
const RESTART_DEADLINE_MS = 60_000

export type Run = {
  readonly sidecar: SidecarProcess
  readonly api: ProtectedApi
  readonly register: (client: Client) => Promise<void>
  readonly signal: AbortSignal
}

const POLL_INTERVAL_MS = 200

export async function useToken(
  each: TestedClient,
  { sidecar, api }: Run,
): Promise<{ note?: string }> {
  const status = await call(each, sidecar)
  if (status === 200) return {}
  const why = api.lastRejection(credentialName(each))
  throw new Error(`the API responded with ${status}${why === undefined ? '' : ` (${why})`}`)
}

/** Every request succeeds until the token has been renewed. */
export async function awaitRenewal(
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

/** One request whose token is rejected: the client gets the response to the replay with a new token. */
export async function replaceRejected(
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

/** The credentials change first on the server and later in the file. */
export async function rotate(
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

export async function recover(
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
