import { isField } from '../http/field-lines.ts'
import { isStreamed } from '../http/request-body.ts'
import type { UpstreamRequest } from '../http/round-trip.ts'

/** Methods that anticipate content: `Content-Length: 0` is sent without any (RFC 9110 section 8.6). */
const WITH_CONTENT = new Set(['POST', 'PUT', 'PATCH'])

/**
 * The request head, one character per octet: all fields with their order, case and number, then the
 * connection-specific ones. `host` is used if there is no `Host`. Fields are not validated here: the parser
 * of requests, the schema of the configuration and the token source have done so.
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
