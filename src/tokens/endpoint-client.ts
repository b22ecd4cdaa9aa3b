import type { Socket } from 'node:net'
import { Agent, type buildConnector } from 'undici'
import { SidecarError } from '../errors.ts'
import { networkFault } from '../lib/network-fault.ts'
import { type TlsMaterial, type TlsReader, withoutTrailingDot } from '../lib/tls-material.ts'
import { decodeBody, type EncodedBody } from './response-body.ts'

/** An HTTP client for the endpoints of one authorization server. */
export type EndpointClient = {
  /**
   * For `customFetch` of oauth4webapi. Fails with `token_*`. The global `fetch` is not used because it blocks
   * some ports and applies rules for web pages.
   */
  readonly fetch: (url: string, init: EndpointRequest) => Promise<Response>
}

type EndpointRequest = {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: URLSearchParams | string | null | undefined
  readonly signal?: AbortSignal | undefined
}

export type EndpointClientOptions = {
  readonly readTls: TlsReader
  /** Undefined where servers are connected to directly. */
  readonly proxy: EndpointProxy | undefined
  readonly timeoutMs: number
}

export type EndpointProxy = {
  /** Whether a URL is requested without the proxy. */
  readonly isBypassed: (url: URL) => boolean
  /** Prepares one request. Fails with `token_unavailable` if a file of the proxy cannot be read. */
  readonly prepare: (url: URL, tls: TlsMaterial) => Promise<ProxiedRequest>
}

/** How one request is sent through a proxy: in a tunnel, or in absolute-form (RFC 9112 section 3.2.2). */
type ProxiedRequest = {
  /** Fails with `token_unavailable`, or with an error of the system or OpenSSL. */
  readonly connect: () => Promise<Socket>
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** The failure that a response with this status code and these fields, names and values alternating, stands for. */
  readonly rejection: (status: number, fields: readonly string[]) => SidecarError | undefined
}

/** More than any token response or server metadata needs. */
const MAX_RESPONSE_BYTES = 64 * 1024

/**
 * Opens a new connection for each request. Requests are minutes apart: by then an idle connection is
 * probably stale, and certificates may have been rotated.
 */
export function createEndpointClient(options: EndpointClientOptions): EndpointClient {
  return {
    async fetch(url, init) {
      const { dispatcher, origin, path, headers, rejection, host } = await openDispatcher(
        new URL(url),
        options,
      )
      try {
        // The whole body is read here, so that all network errors are handled in one place.
        const response = await dispatcher.request({
          origin,
          path,
          method: init.method,
          headers: { ...init.headers, ...headers },
          body: init.body?.toString() ?? null,
          signal: init.signal ?? null,
        })
        const bytes = Buffer.from(await response.body.arrayBuffer())
        const received = singleHeaders(response.headers)
        const rejected = rejection(response.statusCode, [...received].flat())
        if (rejected !== undefined) throw rejected
        return toResponse(host, response.statusCode, received, bytes)
      } catch (cause) {
        throw cause instanceof SidecarError ? cause : unavailable(host, cause)
      } finally {
        await dispatcher.destroy()
      }
    },
  }
}

/** The status codes that the Fetch standard does not permit with a body. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

function toResponse(host: string, status: number, headers: Headers, bytes: Buffer): Response {
  if (status < 200 || status > 599) {
    // RFC 9110 section 15: treated as a server error.
    throw new SidecarError(
      'token_unavailable',
      `Cannot use the response of "${host}": it has the invalid status code ${status}`,
    )
  }
  if (WITHOUT_BODY.has(status)) return new Response(null, { status, headers })
  const encoded = {
    host,
    bytes,
    contentEncoding: headers.get('content-encoding') ?? '',
    contentType: headers.get('content-type') ?? '',
  }
  const body = status >= 400 ? readableOrEmpty(encoded) : decodeBody(encoded, MAX_RESPONSE_BYTES)
  return new Response(body, { status, headers })
}

/** The status of an error response matters even if its body is not readable. */
function readableOrEmpty(encoded: EncodedBody): string {
  try {
    return decodeBody(encoded, MAX_RESPONSE_BYTES)
  } catch {
    return ''
  }
}

type Opened = Pick<ProxiedRequest, 'path' | 'headers' | 'rejection'> & {
  readonly dispatcher: Agent
  readonly origin: string
  readonly host: string
}

async function openDispatcher(url: URL, options: EndpointClientOptions): Promise<Opened> {
  const { readTls, proxy, timeoutMs } = options
  const { origin, host, hostname, pathname, search } = url
  let tls: TlsMaterial
  try {
    tls = await readTls()
  } catch (cause) {
    throw new SidecarError(
      'token_unavailable',
      'Cannot connect to the authorization server: a certificate or key file is not readable, or the key does not match the certificate',
      { cause },
    )
  }
  const limits = {
    allowH2: false,
    maxResponseSize: MAX_RESPONSE_BYTES,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  }
  if (proxy === undefined || proxy.isBypassed(url)) {
    const connect = {
      timeout: timeoutMs,
      autoSelectFamily: true,
      ...(hostname.endsWith('.') && { servername: withoutTrailingDot(hostname) }),
      ...tls,
    }
    const dispatcher = new Agent({ ...limits, connect })
    return { ...DIRECT, dispatcher, origin, host, path: pathname + search }
  }
  const { connect, ...prepared } = await proxy.prepare(url, tls)
  const dispatcher = new Agent({
    ...limits,
    connect: (_options, callback) => void connectFor(callback, connect),
  })
  return { ...prepared, dispatcher, origin, host }
}

const DIRECT = { headers: {}, rejection: () => undefined } as const

/** Connects, and reports the outcome as undici expects it. */
async function connectFor(
  callback: buildConnector.Callback,
  connect: ProxiedRequest['connect'],
): Promise<void> {
  let socket: Socket
  try {
    socket = await connect()
  } catch (error) {
    callback(error instanceof Error ? error : new Error('cannot connect', { cause: error }), null)
    return
  }
  callback(null, socket)
}

function singleHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const single = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    for (const line of [value ?? []].flat()) single.append(name, line)
  }
  return single
}

function unavailable(host: string, cause: unknown): SidecarError {
  if (cause instanceof Error && cause.name === 'TimeoutError') {
    return new SidecarError(
      'token_unavailable',
      `Cannot get a response from "${host}": the request timed out`,
      { cause },
    )
  }
  const fault = networkFault(cause)
  if (fault?.kind === 'protocol') {
    return new SidecarError(
      'token_invalid',
      `Cannot read the response of "${host}": ${fault.reason}`,
      { cause },
    )
  }
  const reason = fault?.reason ?? 'the request failed'
  return new SidecarError('token_unavailable', `Cannot reach "${host}": ${reason}`, { cause })
}
