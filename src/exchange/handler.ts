import { fieldValues } from '../http/field-lines.ts'
import type { InboundRequest } from '../http/inbound-request.ts'
import type { ResponseWriter } from '../http/response-writer.ts'
import type { UpstreamResponse } from '../http/round-trip.ts'
import type { Clock } from '../lib/clock.ts'
import { type OriginPolicy, createOriginCheck, readTarget } from '../routing/origin-check.ts'
import type { RequestTarget } from '../routing/request-target.ts'
import { type RouteTable, upstreamPath } from '../routing/route-table.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { recordAuthorization } from './authorization-outcome.ts'
import type { AuthenticateCaller } from './caller-authentication.ts'
import type { ExchangeRecord, Recorder } from './exchange-record.ts'
import type { ExchangeRequest } from './exchange-request.ts'
import { sendFailure, sendOptions } from './failure-response.ts'
import { bypassesInjection, requestFields, requestTrailers } from './request-fields.ts'
import { authorizationStatus, observeGrpcStatus } from './grpc.ts'
import { isLastHop, refuseUnsupported } from './request-rules.ts'
import { interimFields, NO_CONTEXT, responseFields } from './response-fields.ts'
import type { Route } from './route.ts'
import { whileClientWaits } from './wait-for-token.ts'

export type ExchangeHandlerOptions = {
  /** Undefined for a listener that serves every caller. */
  readonly authenticate: AuthenticateCaller | undefined
  readonly routes: RouteTable<Route>
  readonly originPolicy: OriginPolicy
  /** Our name in `Via`; undefined for none. */
  readonly via: string | undefined
  readonly recorder: Recorder
  readonly clock: Clock
}

export type ExchangeHandler = (inbound: InboundRequest, writer: ResponseWriter) => Promise<void>

/** The path of each request: rules, route, token, upstream, response. */
export function createExchangeHandler(options: ExchangeHandlerOptions): ExchangeHandler {
  const { authenticate, routes, originPolicy, via, recorder, clock } = options
  const checkOrigin = createOriginCheck(originPolicy, routes.namesHost)
  return async (inbound, writer) => {
    const { head, connection } = inbound
    const record = recorder.begin(head.method, head, inbound.mode)
    let status: number
    try {
      record.caller = authenticate?.(head, connection) // 407, 403
      refuseUnsupported(head, via) // 400, 417, 501, 502
      const target = readTarget(head, connection, originPolicy) // 400, 421
      record.path = target.path
      record.query = target.query
      record.scheme = target.scheme
      checkOrigin(head, target) // 403
      const route = routes.match(target, head.method) // 404, 403
      recorder.assignRoute(record, route)

      if (isLastHop(head)) {
        status = await sendOptions(writer)
      } else {
        const tokens = bypassesInjection(head, route.fields) ? undefined : route.tokens
        let token = tokens?.current()
        if (tokens !== undefined && token === undefined) {
          token = await waitForToken(inbound, route, tokens, record) // 503, 502
        }
        if (head.expectation === 'continue') writer.inform(100, [], () => {})
        const request = upstreamRequest(inbound, writer, route, target, token, record) // 400
        record.token = token
        const response = await route.roundTrip(request, inbound.signal) // 408, 502, 504
        route.metrics.upstreamResponded(record.upstreamMs ?? 0, response.version)
        const destination = observeOutcome(response, writer, route, record, token)
        status = response.status
        if (response.tunnel === undefined) {
          const sent = send(response, destination, route, target, head.method)
          if (sent !== undefined) await sent // 408, 502, 504
        } else {
          await tunnel(response, inbound, route, record)
        }
      }
    } catch (thrown) {
      const failure = recorder.fail(record, thrown)
      inbound.abort(failure)
      status = sendFailure(writer, failure, record)
    }
    recorder.end(record, status)
  }

  async function waitForToken(
    { signal }: InboundRequest,
    { timeouts, metrics }: Route,
    tokens: TokenSource,
    record: ExchangeRecord,
  ): Promise<AccessToken> {
    const token = await whileClientWaits(signal, timeouts.tokenMs, tokens.get, record.span)
    record.tokenWaitMs = clock.monotonicMs() - record.startedAtMs
    metrics.tokenWaited(record.tokenWaitMs)
    return token
  }

  async function tunnel(
    { tunnel: socket, fields }: UpstreamResponse,
    { switchProtocols }: InboundRequest,
    route: Route,
    record: ExchangeRecord,
  ): Promise<void> {
    if (socket === undefined || switchProtocols === undefined) return
    recorder.tunnelled(record, 101)
    const forwarded = responseFields(fields, route.responseFields, NO_CONTEXT)
    const upgrade = ['Upgrade', fieldValues(fields, 'upgrade').join(', ')]
    record.tunnel = await switchProtocols(
      socket,
      [...upgrade, ...forwarded],
      route.timeouts.upgradedMs,
    )
  }
}

/** The request for the upstream, before the wrappers of the route add their fields. */
function upstreamRequest(
  { head, connection, openBody, abort, switchProtocols }: InboundRequest,
  writer: ResponseWriter,
  route: Route,
  target: RequestTarget,
  token: AccessToken | undefined,
  record: ExchangeRecord,
): ExchangeRequest {
  const path = upstreamPath(route, target.path)
  return {
    method: head.method,
    path: path + target.query,
    url: route.origin + path,
    fields: requestFields(head, route.fields, { socket: connection, host: target.host }),
    body: head.hasBody
      ? openBody(token === undefined ? 0 : route.maxReplayBytes, (received) =>
          requestTrailers(received, head, route.fields),
        )
      : null,
    acceptsTrailers: head.acceptsTrailers,
    upgrade: switchProtocols === undefined ? undefined : head.upgrade,
    dedicated: false,
    repeatable: false,
    token,
    isGrpc: head.isGrpc,
    span: record.span,
    onSend: () => {},
    onResponse: (waitedMs) => {
      record.upstreamMs = waitedMs
    },
    onReplay: (better) => {
      record.token = better
    },
    onInterim: (interim, fields, onDrain) => writer.inform(interim, interimFields(fields), onDrain),
    abort,
  }
}

/**
 * Records whether the API authorized the request, which is in the trailer section of a gRPC response.
 * Returns the writer for the response. `first` is the token of the first attempt.
 */
function observeOutcome(
  response: UpstreamResponse,
  writer: ResponseWriter,
  route: Route,
  record: ExchangeRecord,
  first: AccessToken | undefined,
): ResponseWriter {
  const { method, isGrpc, token } = record
  const note = (status: number): void =>
    recordAuthorization(route, {
      method,
      status,
      fields: response.fields,
      token,
      isReplacement: token !== first,
    })
  if (isGrpc) {
    return observeGrpcStatus(response, writer, (grpcStatus) => {
      record.grpcStatus = grpcStatus
      note(authorizationStatus(grpcStatus) ?? response.status)
    })
  }
  note(response.status)
  return writer
}

function send(
  response: UpstreamResponse,
  writer: ResponseWriter,
  route: Route,
  { scheme, host }: RequestTarget,
  method: string,
): Promise<void> | undefined {
  const ownOrigin = host === '' ? '' : `${scheme}://${host}`
  const { version } = response
  const mayHaveTrailers = writer.canSendTrailers(response, method)
  const mayHaveLength = response.status !== 204
  const context = { ownOrigin, version, mayHaveTrailers, mayHaveLength }
  writer.begin(response, responseFields(response.fields, route.responseFields, context))
  return response.pipeTo(writer)
}
