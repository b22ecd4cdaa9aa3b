import { type SidecarError, toSidecarError } from '../errors.ts'
import type { RequestSpan } from '../observe/tracer.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import { fieldValues } from '../http/field-lines.ts'
import {
  answerOr,
  relay,
  type RelayContext,
  type RelayRequest,
  type RelayOutcome,
  type UpstreamAnswer,
} from './relay.ts'
import { createRequestBody, type RequestBody } from '../inbound/http1-request-body.ts'
import type { RequestHead } from '../http/request-head.ts'
import { decidesByItself, requestHeaders } from './request-fields.ts'
import type { RequestTarget } from '../routing/request-target.ts'
import type { Route } from './route.ts'
import { upstreamPath } from '../routing/route-table.ts'
import { type TokenVerdict, tokenVerdict } from './token-verdict.ts'
import { withTraceContext } from './trace-context.ts'
import { whileClientWaits } from './wait-for-token.ts'

export type Exchange = RelayContext & {
  readonly head: RequestHead
  readonly route: Route
  readonly target: RequestTarget
  readonly token: AccessToken | undefined
  /** Whether the request asks to switch protocols, and its connection can be had for that. */
  readonly mayUpgrade: boolean
  /** Where tracing is on. */
  readonly span: RequestSpan | undefined
}

/**
 * Sends the request to the route's upstream and its answer to the application. When the upstream
 * does not accept the token, a new one is asked for and the request is sent once more, where its
 * body allows it; the application gets whatever comes of that. Fails as `relay` does.
 */
export async function forward(exchange: Exchange): Promise<UpstreamAnswer> {
  const { req, res, head, route, token } = exchange
  const isReplayable =
    token !== undefined && route.replay.enabled && !decidesByItself(head, route.headers)
  const body = head.hasBody
    ? createRequestBody(req, isReplayable ? route.replay.maxBodyBytes : 0)
    : undefined
  let verdict: TokenVerdict = 'accepted'
  const judge = (status: number, headers: readonly string[]): boolean => {
    rememberNonce(exchange, headers)
    verdict = isReplayable ? tokenVerdict(status, headers) : 'accepted'
    return verdict !== 'accepted' && (body === undefined || body.isKept())
  }

  if (head.expectation === 'continue') res.writeContinue()
  const outcome = await send(exchange, token, body?.stream ?? null, judge)
  const first = 'lost' in outcome ? await repeat(exchange, outcome.lost, body, judge) : outcome
  if (token === undefined || verdict === 'accepted') return first
  if (first.held === undefined) {
    // Too large to be sent again; but the next request shall have a better token.
    if (verdict === 'refused') route.tokens?.replace(token, NEVER)?.catch(() => {})
    return first
  }

  // What breaks the held answer ends the waiting, too.
  const again = await Promise.race([
    secondAttempt(exchange, token, verdict, body),
    first.held.broken,
  ])
  if (again === undefined) return await first.held.pass()
  first.held.discard()
  route.metrics.replayed()
  const second = await send(exchange, again.token, again.body, (_status, headers) => {
    rememberNonce(exchange, headers)
    return false
  })
  return answerOr(second)
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
    const better = await whileClientWaits(
      res,
      route.timeouts.tokenMs,
      (signal, waiting) => route.tokens?.replace(token, signal, waiting),
      exchange.span,
    )
    return better && { token: better, body: whole }
  } catch {
    // Why there is none is logged where it was asked for; the application gets the upstream's 401.
    return undefined
  }
}

type Judge = (status: number, headers: readonly string[]) => boolean

/** RFC 9110 section 9.2.2: what may be done twice, when nobody knows whether it was done once. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/**
 * A server may close an idle connection at the moment that a request sets out on it. A request that
 * does no harm twice is then sent once more, on a connection of its own (RFC 9112 section 9.3.1).
 */
async function repeat(
  exchange: Exchange,
  lost: SidecarError,
  body: RequestBody | undefined,
  judge: Judge,
): Promise<UpstreamAnswer> {
  const { head, route, req, token } = exchange
  const mayRepeat = route.retry && IDEMPOTENT.has(head.method)
  if (!mayRepeat || (body !== undefined && !(body.isKept() && req.complete))) throw lost
  const whole = body === undefined ? null : await body.whole()
  if (whole === undefined) throw lost
  route.metrics.retried()
  return answerOr(await send(exchange, token, whole, judge, true))
}

/** One attempt. Where no proof is needed and nobody traces, the answer is all that is waited for. */
function send(
  exchange: Exchange,
  token: AccessToken | undefined,
  body: Body,
  judge: Judge,
  onNewConnection = false,
): Promise<RelayOutcome> {
  const { head, route, span } = exchange
  const dpop = token && !decidesByItself(head, route.headers) ? token.dpop : undefined
  const request = requestFor(exchange, token, body, judge, onNewConnection)
  if (dpop === undefined && span === undefined) return relay(request, exchange)
  return sendProvenAndTraced(exchange, request, token, dpop)
}

type Body = RelayRequest['body']

async function sendProvenAndTraced(
  exchange: Exchange,
  request: RelayRequest,
  token: AccessToken | undefined,
  dpop: AccessToken['dpop'],
): Promise<RelayOutcome> {
  const { span, head, route } = exchange
  const attempt = span?.attempt(head.method, upstreamUrl(exchange))
  try {
    let { headers } = request
    if (attempt !== undefined) {
      const isContinued = span?.isContinued === true
      headers = withTraceContext(headers, attempt.traceparent, isContinued, route.headers)
    }
    if (token !== undefined && dpop !== undefined) {
      headers.push('DPoP', await proofFor(exchange, token, dpop))
    }
    const outcome = await relay({ ...request, headers }, exchange)
    attempt?.end('lost' in outcome ? { failure: outcome.lost } : outcome)
    return outcome
  } catch (cause) {
    attempt?.end({ failure: toSidecarError(cause) })
    throw cause
  }
}

function requestFor(
  { req, head, route, target, mayUpgrade }: Exchange,
  token: AccessToken | undefined,
  body: Body,
  judge: Judge,
  onNewConnection: boolean,
): RelayRequest {
  const tokenValue = token && route.tokenValue(token)
  const sender = { socket: req.socket, host: target.host }
  return {
    upstream: route.upstream,
    method: head.method,
    path: upstreamPath(route, target.path) + target.query,
    headers: requestHeaders(head, route.headers, tokenValue, sender),
    body,
    upgrade: mayUpgrade ? head.upgrade : undefined,
    onNewConnection,
    judge,
    answerHeaders: route.answerHeaders,
    ownOrigin: target.host === '' ? '' : `${target.scheme}://${target.host}`,
    responseMs: route.timeouts.responseMs,
    idleMs: route.timeouts.idleMs,
  }
}

async function proofFor(
  exchange: Exchange,
  token: AccessToken,
  dpop: NonNullable<AccessToken['dpop']>,
): Promise<string> {
  return await dpop.prove({
    method: exchange.head.method,
    url: upstreamUrl(exchange),
    accessToken: token.value.reveal(),
  })
}

/** RFC 9449 section 8.2: a nonce may come with any response. */
function rememberNonce(exchange: Exchange, headers: readonly string[]): void {
  const { token } = exchange
  if (token?.dpop === undefined) return
  const [nonce] = fieldValues(headers, 'dpop-nonce')
  if (nonce !== undefined) token.dpop.rememberNonce(upstreamUrl(exchange), nonce)
}

/** RFC 9449 section 4.2: the target URI as the upstream knows it, without query and fragment. */
function upstreamUrl({ route, target }: Exchange): string {
  return route.upstream.origin + upstreamPath(route, target.path)
}
