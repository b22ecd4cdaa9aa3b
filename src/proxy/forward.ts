import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Clock } from '../lib/clock.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import {
  announcesBody,
  decidesByItself,
  expectsContinue,
  headerValues,
  requestHeaders,
} from './headers.ts'
import { relay, type UpstreamAnswer } from './relay.ts'
import { createRequestBody, type RequestBody } from './request-body.ts'
import type { RequestTarget } from './request-target.ts'
import type { Route } from './route.ts'
import { upstreamPath } from './routes.ts'
import { type TokenVerdict, tokenVerdict } from './token-verdict.ts'
import { whileClientWaits } from './wait-for-token.ts'

export type Exchange = {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly route: Route
  readonly target: RequestTarget
  readonly token: AccessToken | undefined
  readonly clock: Clock
}

/**
 * Sends the request to the route's upstream and its answer to the application. When the upstream
 * does not accept the token, a new one is asked for and the request is sent once more, where its
 * body allows it; the application gets whatever comes of that. Fails as `relay` does.
 */
export async function forward(exchange: Exchange): Promise<UpstreamAnswer> {
  const { req, res, route, token } = exchange
  const isReplayable =
    token !== undefined && route.replay.enabled && !decidesByItself(req.rawHeaders, route.headers)
  const body = announcesBody(req.rawHeaders)
    ? createRequestBody(req, isReplayable ? route.replay.maxBodyBytes : 0)
    : undefined
  let verdict: TokenVerdict = 'accepted'
  const judge = (status: number, headers: readonly string[]): boolean => {
    rememberNonce(exchange, headers)
    verdict = isReplayable ? tokenVerdict(status, headers) : 'accepted'
    return verdict !== 'accepted' && (body === undefined || body.isKept())
  }

  if (expectsContinue(req)) res.writeContinue()
  const first = await send(exchange, token, body?.stream ?? null, judge)
  if (token === undefined || verdict === 'accepted') return first
  if (first.held === undefined) {
    // Too large to be sent again; but the next request shall have a better token.
    if (verdict === 'refused') route.tokens?.replace(token, NEVER)?.catch(() => {})
    return first
  }

  const again = await secondAttempt(exchange, token, verdict, body)
  if (again === undefined) return await first.held.pass()
  first.held.discard()
  route.metrics.replayed()
  return await send(exchange, again.token, again.body, (_status, headers) => {
    rememberNonce(exchange, headers)
    return false
  })
}

const NEVER = new AbortController().signal

/** A better token, and the body; undefined when there is no point in another attempt. */
async function secondAttempt(
  exchange: Exchange,
  token: AccessToken,
  verdict: TokenVerdict,
  body: RequestBody | undefined,
): Promise<{ token: AccessToken; body: Buffer | null } | undefined> {
  const { res, route } = exchange
  const whole = body === undefined ? null : await body.whole()
  if (whole === undefined) return undefined
  if (verdict === 'nonce wanted') return { token, body: whole }
  try {
    const better = await whileClientWaits(res, route.timeouts.tokenMs, (signal) =>
      route.tokens?.replace(token, signal),
    )
    return better && { token: better, body: whole }
  } catch {
    // Why there is none is logged where it was asked for; the application gets the upstream's 401.
    return undefined
  }
}

async function send(
  exchange: Exchange,
  token: AccessToken | undefined,
  body: Readable | Buffer | null,
  judge: (status: number, headers: readonly string[]) => boolean,
): Promise<UpstreamAnswer> {
  const { req, res, route, target, clock } = exchange
  return await relay(
    {
      upstream: route.upstream,
      method: req.method ?? '',
      path: upstreamPath(route, target.path) + target.query,
      headers: await headersFor(exchange, token),
      body,
      judge,
      hiddenHeaders: route.hiddenHeaders,
      responseTimeoutMs: route.timeouts.responseMs,
      idleTimeoutMs: route.timeouts.idleMs,
    },
    req,
    res,
    clock,
  )
}

async function headersFor(exchange: Exchange, token: AccessToken | undefined): Promise<string[]> {
  const { req, route } = exchange
  const headers = requestHeaders(req.rawHeaders, route.headers, token && route.tokenValue(token))
  if (token?.dpop !== undefined && !decidesByItself(req.rawHeaders, route.headers)) {
    const proof = await token.dpop.prove({
      method: req.method ?? '',
      url: upstreamUrl(exchange),
      accessToken: token.value.reveal(),
    })
    headers.push('DPoP', proof)
  }
  return headers
}

/** RFC 9449 section 8.2: a nonce may come with any response. */
function rememberNonce(exchange: Exchange, headers: readonly string[]): void {
  const { token } = exchange
  if (token?.dpop === undefined) return
  const [nonce] = headerValues(headers, 'dpop-nonce')
  if (nonce !== undefined) token.dpop.rememberNonce(upstreamUrl(exchange), nonce)
}

/** RFC 9449 section 4.2: the target URI as the upstream knows it, without query and fragment. */
function upstreamUrl({ route, target }: Exchange): string {
  return route.upstream.origin + upstreamPath(route, target.path)
}
