import { fieldValues } from '../http/field-lines.ts'
import type { UpstreamResponse } from '../http/round-trip.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { ExchangeRequest, ExchangeRoundTrip } from './exchange-request.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'

/** Adds a DPoP proof where the token is bound to a key (RFC 9449 section 7). */
export function provePossession(next: ExchangeRoundTrip): ExchangeRoundTrip {
  return (request, signal) => {
    const { token } = request
    if (token?.dpop === undefined) return next(request, signal)
    return sendWithProof(request, token, token.dpop, signal)
  }

  async function sendWithProof(
    request: ExchangeRequest,
    token: AccessToken,
    dpop: NonNullable<AccessToken['dpop']>,
    signal: AbortSignalLike,
  ): Promise<UpstreamResponse> {
    const { method, url } = request
    const proof = await dpop.prove({ method, url, accessToken: token.value.reveal() })
    const response = await next({ ...request, fields: [...request.fields, 'DPoP', proof] }, signal)
    // RFC 9449 section 8.2: any response may carry a nonce.
    const [nonce] = fieldValues(response.fields, 'dpop-nonce')
    if (nonce !== undefined) dpop.rememberNonce(url, nonce)
    return response
  }
}
