import { FAILURES, type SidecarError } from '../errors.ts'
import type { ResponseWriter } from '../http/response-writer.ts'

export type FailureContext = {
  readonly route: string | undefined
  readonly requestId: string | undefined
}

/**
 * Tells the application what went wrong and whose fault it is: a problem document (RFC 9457) and
 * `Proxy-Status` (RFC 9209). A response that has begun is aborted instead.
 */
export function sendFailure(
  writer: ResponseWriter,
  error: SidecarError,
  context: FailureContext,
): void {
  if (writer.hasBegun()) {
    writer.reset(error)
    return
  }
  const { status } = FAILURES[error.code]
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
  ]
  if (error.retryAfterMs !== undefined) {
    fields.push('Retry-After', String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))))
  }
  writer.begin({ status, phrase: undefined, length: body.length }, fields)
  writer.write(body, () => {})
  // The client need not wait for it.
  writer.end([])?.catch(() => {})
}

/** The response to `OPTIONS` of the last recipient that `Max-Forwards` allows (RFC 9110 section 7.6.2). */
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
