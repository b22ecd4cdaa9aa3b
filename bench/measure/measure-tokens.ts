import { startTokenSidecar } from '../contenders/token-sidecar.ts'
import type { TokenFigures } from '../report/figures.ts'
import type { Stage } from '../stage/stage.ts'
import { BenchError } from '../system/bench-error.ts'
import type { Loads } from './loads.ts'
import { measureRound } from './measure-round.ts'
import { settingOf } from './setting-of.ts'
import { requestPath, SMALL_GET } from './workload.ts'

export const TOKEN_LIFETIME_SECONDS = 5
/** Short, so that each token is used for almost its whole lifetime. */
const LEEWAY_SECONDS = 0.5
const BURST = 200

export type MeasureTokensOptions = {
  readonly stage: Stage
  readonly loads: Loads
  readonly seconds: number
  readonly onStep: (what: string) => void
}

/** Counts token requests. The lifetime of the tokens must be `TOKEN_LIFETIME_SECONDS`. */
export async function measureTokens(options: MeasureTokensOptions): Promise<TokenFigures> {
  const { stage, loads, seconds, onStep } = options
  onStep(`token requests in ${seconds} s of load, token lifetime ${TOKEN_LIFETIME_SECONDS} s`)
  const running = await startTokenSidecar(await settingOf(stage, SMALL_GET), {
    refresh: { leeway: `${LEEWAY_SECONDS * 1000}ms`, jitter: '0s' },
  })
  const before = await stage.authorizationServer.tokenRequests()
  const window = { send: loads.sender(SMALL_GET), seconds }
  const { round, failure } = await measureRound(running, SMALL_GET, window)
  if (failure !== undefined) throw new BenchError(`Cannot count token requests: ${failure}`)
  const tokenRequests = (await stage.authorizationServer.tokenRequests()) - before
  await running.stop()

  onStep(`token requests for ${BURST} concurrent first requests`)
  return {
    lifetimeSeconds: TOKEN_LIFETIME_SECONDS,
    expected: Math.ceil(round.seconds / (TOKEN_LIFETIME_SECONDS - LEEWAY_SECONDS)),
    seconds: round.seconds,
    requests: round.requests,
    tokenRequests,
    burst: { requests: BURST, tokenRequests: await countForBurst(stage) },
  }
}

async function countForBurst(stage: Stage): Promise<number> {
  const running = await startTokenSidecar(await settingOf(stage, SMALL_GET), { prefetch: false })
  const before = await stage.authorizationServer.tokenRequests()
  const url = running.origin + requestPath(SMALL_GET)
  const statuses = await Promise.all(
    Array.from({ length: BURST }, async () => {
      const response = await fetch(url)
      await response.arrayBuffer()
      return response.status
    }),
  )
  const failed = statuses.find((status) => status !== 200)
  if (failed !== undefined) {
    throw new BenchError(`Cannot count token requests: a response has status ${failed}`)
  }
  const tokenRequests = (await stage.authorizationServer.tokenRequests()) - before
  await running.stop()
  return tokenRequests
}
