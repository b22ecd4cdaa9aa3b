import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { startServer } from './servers.ts'

export type ReceivedTokenRequest = {
  readonly method: string | undefined
  readonly headers: IncomingHttpHeaders
  /** The raw body. */
  readonly body: string
}

export type TokenEndpoint = {
  readonly url: string
  readonly requests: readonly ReceivedTokenRequest[]
}

/** A token endpoint with the responses of the test, for what a real server does not do on demand. */
export async function startTokenEndpoint(
  respond: (request: ReceivedTokenRequest, res: ServerResponse) => void,
): Promise<TokenEndpoint> {
  const requests: ReceivedTokenRequest[] = []
  const receive = async (req: IncomingMessage): Promise<ReceivedTokenRequest> => {
    const request = { method: req.method, headers: req.headers, body: await text(req) }
    requests.push(request)
    return request
  }
  const origin = await startServer((req, res) => {
    void receive(req).then((request) => respond(request, res))
  })
  return { url: `${origin}/token`, requests }
}

/** A token response (RFC 6749 section 5.1); members with the value undefined are omitted. */
export function sendToken(
  res: ServerResponse,
  members: Readonly<Record<string, unknown>> = {},
): void {
  res.writeHead(200, { 'content-type': 'application/json' })
  res.end(
    JSON.stringify({ access_token: 'a-token', token_type: 'Bearer', expires_in: 300, ...members }),
  )
}
