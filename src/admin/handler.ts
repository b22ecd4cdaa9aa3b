import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type SidecarError, toSidecarError } from '../errors.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { HistoryReading } from '../observe/route-history.ts'
import type { Readiness } from './readiness.ts'
import { serveInTurn } from './serve-in-turn.ts'
import type { Status, TokenStatus } from './status.ts'
import { STATUS_PAGE } from './status-page.ts'

export type AdminOptions = {
  readonly readiness: () => Readiness
  readonly status: () => Status
  /** The recent history of the routes, or only the samples after the given one. */
  readonly history: (after?: number) => HistoryReading
  readonly metrics: Pick<Metrics, 'expose' | 'contentType'>
  /** Requests new tokens of a credential; undefined if there is no such credential. */
  readonly renew: (credential: string) => Promise<Renewal> | undefined
  /** Shuts the sidecar down; false if that is not allowed. */
  readonly quit: () => boolean
  /** The request checks of the proxy: throws, or returns the target. */
  readonly checkRequest: (req: IncomingMessage) => { readonly path: string; readonly query: string }
}

/** The new tokens, or the time until the next renewal is allowed. */
export type Renewal =
  | { readonly tokens: readonly TokenStatus[] }
  | { readonly retryAfterMs: number; readonly backingOff?: SidecarError }

type Page = {
  readonly status: number
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The admin listener: health, metrics and status. No response contains a token or a secret. */
export function createAdminServer(options: AdminOptions): Server {
  const { readiness, status, history, metrics, renew, quit, checkRequest } = options
  const pages: Readonly<Record<string, (query: URLSearchParams) => Page | Promise<Page>>> = {
    '/': () => STATUS_PAGE,
    '/livez': () => ({ status: 200, type: 'text/plain', body: 'ok\n' }),
    '/readyz': () => {
      const { ready, reasons, warnings } = readiness()
      const body = { ready, reasons, ...(warnings.length > 0 && { warnings }) }
      return json(ready ? 200 : 503, body)
    },
    '/status': () => json(200, status()),
    '/status/history': (query) => {
      const after = query.get('after') ?? undefined
      if (after === undefined) return compactJson(history())
      return /^\d{1,15}$/.test(after)
        ? compactJson(history(Number(after)))
        : json(400, { error: '"after" must be the number of a sample' })
    },
    '/metrics': () => ({ status: 200, type: metrics.contentType, body: metrics.expose() }),
  }

  const respondTo = async (req: IncomingMessage): Promise<Page> => {
    const { path, query } = checkRequest(req)
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    const credential = /^\/credentials\/([^/]+)\/renew$/.exec(path)?.[1]
    if (page !== undefined) {
      return req.method === 'GET' || req.method === 'HEAD'
        ? await page(new URLSearchParams(query))
        : wrongMethod('GET, HEAD')
    }
    if (path === '/quit') {
      const refusal = refuseWebPage(req)
      if (refusal !== undefined) return refusal
      return quit()
        ? json(200, { message: 'shutting down' })
        : json(403, { error: 'not allowed; "shutdown.quit: true" allows it' })
    }
    if (credential === undefined) {
      const known = [...Object.keys(pages), 'POST /credentials/NAME/renew', 'POST /quit'].join(', ')
      return json(404, { error: 'no such page', pages: known })
    }
    const refusal = refuseWebPage(req)
    if (refusal !== undefined) return refusal
    const renewed = renew(credential)
    return renewed === undefined
      ? json(404, { error: 'no such credential' })
      : renewalPage(await renewed)
  }

  return createServer(
    // checkRequest refuses requests without Host, with an explanation.
    { ...TIMEOUTS, insecureHTTPParser: false, requireHostHeader: false },
    serveInTurn((req, res) => void respond(req, res, respondTo)),
  )
}

/** Milliseconds. Requests are small, and clients are near. */
const TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 1_000,
}

/** A web page can send a POST as well, but its browser adds `Origin`. */
function refuseWebPage({ method, headers }: IncomingMessage): Page | undefined {
  if (method !== 'POST') return wrongMethod('POST')
  return headers.origin === undefined ? undefined : json(403, { error: 'not for web pages' })
}

async function respond(
  req: IncomingMessage,
  res: ServerResponse,
  respondTo: (req: IncomingMessage) => Promise<Page>,
): Promise<void> {
  try {
    send(res, await respondTo(req))
  } catch (cause) {
    send(res, failurePage(toSidecarError(cause)))
  }
}

function failurePage({ status, code, message, oauthError, retryAfterMs }: SidecarError): Page {
  const page = json(status, { code, oauthError, error: message })
  return retryAfterMs === undefined ? page : { ...page, headers: retryAfter(retryAfterMs) }
}

function renewalPage(renewal: Renewal): Page {
  if ('tokens' in renewal) return json(200, { tokens: renewal.tokens })
  const { retryAfterMs, backingOff } = renewal
  const headers = retryAfter(retryAfterMs)
  const wait = `try again in ${headers['Retry-After']} s`
  if (backingOff === undefined) {
    return { ...json(429, { error: `the credential was renewed moments ago; ${wait}` }), headers }
  }
  const { code, oauthError, message } = backingOff
  const error = `the last token request failed, and the next one has to wait; ${wait}: ${message}`
  return { ...json(503, { code, oauthError, error }), headers }
}

function retryAfter(ms: number): { readonly 'Retry-After': string } {
  return { 'Retry-After': String(Math.max(1, Math.ceil(ms / 1000))) }
}

function wrongMethod(allowed: string): Page {
  return { ...json(405, { error: `only ${allowed}` }), headers: { Allow: allowed } }
}

function json(status: number, value: unknown): Page {
  return { status, type: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n` }
}

/** Without indentation, for thousands of numbers. */
function compactJson(value: unknown): Page {
  return { status: 200, type: 'application/json', body: `${JSON.stringify(value)}\n` }
}

function send(res: ServerResponse, { status, type, body, headers }: Page): void {
  res.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Cross-Origin-Resource-Policy': 'same-origin',
    ...headers,
  })
  res.end(body)
}
