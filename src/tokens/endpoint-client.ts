import { Agent, request } from 'undici'
import { SidecarError } from '../errors.ts'
import { networkFault } from '../lib/network-fault.ts'

/** Talks to the endpoints of one authorization server. */
export type EndpointClient = {
  /**
   * As `customFetch` of oauth4webapi; fails with `token_*`. Not `fetch` itself, which refuses some
   * ports and would follow rules that are made for web pages.
   */
  readonly fetch: (url: string, init: EndpointRequest) => Promise<Response>
  close(): Promise<void>
}

type EndpointRequest = {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: URLSearchParams | string | null | undefined
  readonly signal?: AbortSignal | undefined
}

/** Far more than any token response or server metadata needs. */
const MAX_RESPONSE_BYTES = 64 * 1024

export function createEndpointClient(options: {
  readonly ca: string | undefined
  readonly timeoutMs: number
}): EndpointClient {
  const agent = new Agent({
    allowH2: false,
    autoSelectFamily: true,
    // Requests are minutes apart: a connection kept that long is likely dead when it is needed.
    pipelining: 0,
    maxResponseSize: MAX_RESPONSE_BYTES,
    headersTimeout: options.timeoutMs,
    bodyTimeout: options.timeoutMs,
    connect: {
      timeout: options.timeoutMs,
      ...(options.ca !== undefined && { ca: options.ca }),
    },
  })
  return {
    async fetch(url, init) {
      try {
        // The whole answer is read here, so that every way in which it can fail is met here.
        const response = await request(url, {
          method: init.method,
          headers: init.headers,
          body: init.body?.toString() ?? null,
          signal: init.signal ?? null,
          dispatcher: agent,
        })
        const body = await response.body.text()
        const bodyless = response.statusCode === 204 || response.statusCode === 304
        return new Response(bodyless ? null : body, {
          status: response.statusCode,
          headers: singleHeaders(response.headers),
        })
      } catch (cause) {
        throw unavailable(new URL(url), cause)
      }
    },
    close: async () => await agent.destroy(),
  }
}

function singleHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const single = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    for (const line of [value ?? []].flat()) single.append(name, line)
  }
  return single
}

function unavailable({ host }: URL, cause: unknown): SidecarError {
  if (cause instanceof Error && cause.name === 'TimeoutError') {
    return new SidecarError(
      'token_unavailable',
      `Cannot get an answer from "${host}": it took too long`,
      { cause },
    )
  }
  const fault = networkFault(cause)
  if (fault?.kind === 'protocol') {
    return new SidecarError(
      'token_invalid',
      `Cannot read the answer of "${host}": ${fault.reason}`,
      { cause },
    )
  }
  const reason = fault?.reason ?? 'the request failed'
  return new SidecarError('token_unavailable', `Cannot reach "${host}": ${reason}`, { cause })
}
