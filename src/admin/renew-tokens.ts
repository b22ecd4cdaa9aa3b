import type { Clock } from '../lib/clock.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import type { Renewal } from './handler.ts'
import { type ObservedToken, tokenStatus } from './read-status.ts'
import { createRenewalLimit } from './renewal-limit.ts'

type RenewableToken = ObservedToken & { readonly source: Pick<TokenSource, 'renew' | 'state'> }

/** Renews the tokens of a credential on request; undefined if it has none. */
export function createTokenRenewal(
  clock: Clock,
): (credential: string, tokens: readonly RenewableToken[]) => Promise<Renewal> | undefined {
  const limit = createRenewalLimit(clock)

  async function renew(credential: string, own: readonly RenewableToken[]): Promise<Renewal> {
    const nowMs = clock.wallMs()
    for (const { source } of own) {
      const { failure, requesting } = source.state()
      if (failure !== undefined && failure.nextAttemptAtMs > nowMs && !requesting) {
        return { retryAfterMs: failure.nextAttemptAtMs - nowMs, backingOff: failure.error }
      }
    }
    const retryAfterMs = limit(credential)
    if (retryAfterMs > 0) return { retryAfterMs }
    await Promise.all(own.map(async ({ source }) => await source.renew()))
    return { tokens: own.map((token) => tokenStatus(token, clock.wallMs())) }
  }

  return (credential, tokens) => {
    const own = tokens.filter((token) => token.credential === credential)
    return own.length === 0 ? undefined : renew(credential, own)
  }
}
