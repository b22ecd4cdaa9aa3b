import { isField } from '../http/field-lines.ts'
import { isStreamed } from '../http/request-body.ts'
import type { UpstreamRequest } from '../http/round-trip.ts'

/** Methods that are about content: a request without any says so (RFC 9110 section 8.6). */
const WITH_CONTENT = new Set(['POST', 'PUT', 'PATCH'])

/**
 * The head as it goes out, one character for each byte: all fields in their own order, case and
 * number, then what is about this connection alone. `host` is named where nobody else is. What is
 * in the fields has been looked at where it came in: by the parser of the application's requests, by
 * the schema of the file, and what is a token where it is issued.
 */
export function requestHead(
  { method, path, fields: headers, body, upgrade }: UpstreamRequest,
  host: string,
  isLast: boolean,
): { readonly text: string; readonly isChunked: boolean } {
  let fields = ''
  let hasHost = false
  let hasLength = false
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    if (isField(name, 'host')) hasHost = true
    else if (isField(name, 'content-length')) hasLength = true
    fields += `${name}: ${headers[i + 1]}\r\n`
  }
  if (!hasHost) fields = `Host: ${host}\r\n${fields}`
  if (upgrade !== undefined) fields += `Connection: upgrade\r\nUpgrade: ${upgrade}\r\n`
  else fields += isLast ? 'Connection: close\r\n' : 'Connection: keep-alive\r\n'

  // Trailer fields need the chunked coding (RFC 9112 section 7.1.2).
  const isChunked = body !== null && !hasLength && (isStreamed(body) || body.trailers.length > 0)
  if (isChunked) fields += 'Transfer-Encoding: chunked\r\n'
  else if (!hasLength && !isStreamed(body) && (body !== null || WITH_CONTENT.has(method))) {
    fields += `Content-Length: ${body === null ? 0 : body.content.length}\r\n`
  }
  return { text: `${method} ${path} HTTP/1.1\r\n${fields}\r\n`, isChunked }
}
