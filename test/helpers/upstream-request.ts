import type { ResponseWriter } from '../../src/http/response-writer.ts'
import type { RoundTrip, UpstreamRequest } from '../../src/http/round-trip.ts'

/** A `GET /` without fields, with overrides. */
export function upstreamRequest(given: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    method: 'GET',
    path: '/',
    fields: [],
    body: null,
    acceptsTrailers: false,
    upgrade: undefined,
    dedicated: false,
    repeatable: false,
    onSend() {},
    onInterim: () => 'sent',
    ...given,
  }
}

/** A writer that always accepts more, and reports each part of the body. */
export function collectingWriter(
  onChunk: (chunk: Buffer) => void,
  given: Partial<ResponseWriter> = {},
): ResponseWriter {
  return {
    inform: () => 'sent',
    begin() {},
    hasBegun: () => false,
    canSendTrailers: () => true,
    write(chunk) {
      onChunk(chunk)
      return true
    },
    async end() {},
    reset() {},
    ...given,
  }
}

/** Requests "/" and resolves with the body of the response. */
export async function bodyFrom({ roundTrip }: { readonly roundTrip: RoundTrip }): Promise<string> {
  const response = await roundTrip(upstreamRequest(), new AbortController().signal)
  let body = ''
  await response.pipeTo(collectingWriter((chunk) => void (body += chunk.toString('latin1'))))
  return body
}
