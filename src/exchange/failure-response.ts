import { FAILURES, type SidecarError } from '../errors.ts'
import type { ResponseWriter } from '../http/response-writer.ts'
import { grpcFailureFields } from './grpc.ts'

export type FailureContext = {
  /** Undefined or false for a client that reads a problem document. */
  readonly isGrpc?: boolean
  readonly route: string | undefined
  readonly requestId: string | undefined
}

/**
 * Reports what failed and why: a problem document (RFC 9457), or a trailers-only response to a gRPC
 * client, with `Proxy-Status` (RFC 9209). A response that has begun is aborted instead. Returns the
 * status of the response.
 */
export function sendFailure(
  writer: ResponseWriter,
  error: SidecarError,
  context: FailureContext,
): number {
  const { status } = FAILURES[error.code]
  if (writer.hasBegun()) {
    writer.reset(error)
    return status
  }
  if (context.isGrpc === true) {
    const fields = [
      ...grpcFailureFields(error),
      'proxy-status',
      proxyStatus(error),
      ...challengeFields(error),
    ]
    writer.begin({ status: 200, phrase: undefined, length: Number.NaN }, fields)
    writer.end([])?.catch(() => {})
    return 200
  }
  const body = Buffer.from(problemDocument(error, context))
  const fields = [
    'Content-Type',
    'application/problem+json',
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    'Proxy-Status',
    proxyStatus(error),
    ...challengeFields(error),
  ]
  if (error.retryAfterMs !== undefined) {
    fields.push('Retry-After', String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))))
  }
  writer.begin({ status, phrase: undefined, length: body.length }, fields)
  writer.write(body, () => {})
  // A client that leaves before it has read the failure changes nothing.
  writer.end([])?.catch(() => {})
  return status
}

/** RFC 9110 section 15.5.8: a 407 has a challenge (RFC 7617). */
export function challengeFields({ code }: SidecarError): readonly string[] {
  return code === 'proxy_authentication_required'
    ? ['Proxy-Authenticate', 'Basic realm="token-sidecar", charset="UTF-8"']
    : []
}

/** Responds to `OPTIONS` with `Max-Forwards: 0` (RFC 9110 section 7.6.2). */
export async function sendOptions(writer: ResponseWriter): Promise<number> {
  const allow = ['Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS']
  writer.begin({ status: 204, phrase: undefined, length: Number.NaN }, allow)
  await writer.end([])
  return 204
}

export function proxyStatus({ code }: SidecarError): string {
  return `token-sidecar; error=${FAILURES[code].proxyError}; details="${code}"`
}

export function problemDocument(error: SidecarError, context: FailureContext): string {
  const { status, title } = FAILURES[error.code]
  const { route, requestId } = context
  return `${JSON.stringify({
    type: `urn:token-sidecar:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    oauthError: error.oauthError,
    route,
    requestId,
  })}\n`
}
