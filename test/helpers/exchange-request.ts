import { Readable } from 'node:stream'
import type { ExchangeRequest } from '../../src/exchange/exchange-request.ts'
import type { RequestBody } from '../../src/http/request-body.ts'
import type { UpstreamResponse } from '../../src/http/round-trip.ts'
import type { AccessToken } from '../../src/tokens/access-token.ts'
import { issued } from './issued-token.ts'
import { upstreamRequest } from './upstream-request.ts'

/** A request without token, tracing and body, with overrides. */
export function exchangeRequest(given: Partial<ExchangeRequest> = {}): ExchangeRequest {
  return {
    ...upstreamRequest(),
    token: undefined,
    isGrpc: false,
    url: 'https://api.example.com/',
    span: undefined,
    onResponse() {},
    onReplay() {},
    abort() {},
    ...given,
  }
}

/** A response without content, with overrides. */
export function upstreamResponse(given: Partial<UpstreamResponse> = {}): UpstreamResponse {
  return {
    status: 200,
    phrase: 'OK',
    version: '1.1',
    fields: [],
    length: 0,
    async pipeTo() {},
    discard() {},
    tunnel: undefined,
    ...given,
  }
}

export function accessToken(value: string): AccessToken {
  return issued(value, { monotonicMs: 0, wallMs: 0 }, 60_000)
}

/** A body that was received and buffered completely, with overrides. */
export function requestBody(given: Partial<RequestBody> = {}): RequestBody {
  return {
    stream: Readable.from([]),
    isKept: () => true,
    whole: async () => ({ content: Buffer.from('whole'), trailers: [] }),
    trailers: () => [],
    isComplete: () => true,
    receivedBytes: () => 0,
    isPaused: () => false,
    ...given,
  }
}
