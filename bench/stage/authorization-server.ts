import { join } from 'node:path'
import * as z from 'zod'
import { BenchError } from '../system/bench-error.ts'
import type { Processes } from '../system/processes.ts'

export const CLIENT = { id: 'bench', secret: 'bench-client-secret', scope: 'orders.read' } as const

export type AuthorizationServer = {
  readonly tokenEndpoint: string
  /** The number of token requests so far. */
  tokenRequests(): Promise<number>
}

const PROGRAM = join(import.meta.dirname, 'authorization-server-program.ts')

const listening = z.object({ tokenEndpoint: z.string(), counter: z.string() })

/** A real authorization server (oidc-provider) in a separate process. */
export async function startAuthorizationServer(options: {
  readonly processes: Processes
  readonly cores: string | undefined
  readonly tokenLifetimeSeconds: number
}): Promise<AuthorizationServer> {
  const { processes, cores, tokenLifetimeSeconds } = options
  const started = processes.start({
    command: process.execPath,
    args: [PROGRAM, String(tokenLifetimeSeconds)],
    cores,
  })
  const { tokenEndpoint, counter } = listening.parse(JSON.parse(await started.firstLine()))
  return {
    tokenEndpoint,
    async tokenRequests() {
      return Number(await (await fetch(counter)).text())
    },
  }
}

const tokenResponse = z.object({ access_token: z.string(), token_type: z.literal('Bearer') })

/** Fetches a token for the contenders that cannot fetch one themselves. */
export async function fetchToken(tokenEndpoint: string): Promise<string> {
  const response = await fetch(tokenEndpoint, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}`,
    },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: CLIENT.scope }),
  })
  if (!response.ok) {
    throw new BenchError(`Cannot get a token: the server responded with status ${response.status}`)
  }
  return tokenResponse.parse(await response.json()).access_token
}
