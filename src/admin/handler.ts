import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type SidecarError, toSidecarError } from '../errors.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Readiness } from './readiness.ts'
import type { Status, TokenStatus } from './status.ts'

export type AdminOptions = {
  readonly readiness: () => Readiness
  readonly status: () => Status
  readonly metrics: Pick<Metrics, 'expose' | 'contentType'>
  /** Fetches new tokens of a credential now; undefined if there is no such credential. */
  readonly renew: (credential: string) => Promise<readonly TokenStatus[]> | undefined
  /** Ends the sidecar; false where that is not allowed. */
  readonly quit: () => boolean
}

type Page = {
  readonly status: number
  readonly type: string
  readonly body: string
  /** RFC 9110 section 15.5.6: what a 405 has to say. */
  readonly allow?: string
}

/** Health, metrics and status, on a port of their own. Shows no token and no secret. */
export function createAdminServer(options: AdminOptions): Server {
  const { readiness, status, metrics, renew, quit } = options
  const pages: Readonly<Record<string, () => Page | Promise<Page>>> = {
    '/livez': () => ({ status: 200, type: 'text/plain', body: 'ok\n' }),
    '/readyz': () => {
      const current = readiness()
      return json(current.ready ? 200 : 503, current)
    },
    '/status': () => json(200, status()),
    '/metrics': async () => ({
      status: 200,
      type: metrics.contentType,
      body: await metrics.expose(),
    }),
  }

  const answer = async (req: IncomingMessage): Promise<Page> => {
    const [path = ''] = (req.url ?? '').split('?')
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    const credential = /^\/credentials\/([^/]+)\/renew$/.exec(path)?.[1]
    if (page !== undefined) {
      return req.method === 'GET' || req.method === 'HEAD' ? await page() : wrongMethod('GET, HEAD')
    }
    if (path === '/quit') {
      const refusal = unlessProgram(req)
      if (refusal !== undefined) return refusal
      return quit()
        ? json(200, { message: 'shutting down' })
        : json(403, { error: 'not allowed; "shutdown.quit: true" allows it' })
    }
    if (credential === undefined) {
      const known = [...Object.keys(pages), 'POST /credentials/NAME/renew', 'POST /quit'].join(', ')
      return json(404, { error: 'no such page', pages: known })
    }
    const refusal = unlessProgram(req)
    if (refusal !== undefined) return refusal
    const renewed = renew(credential)
    return renewed === undefined
      ? json(404, { error: 'no such credential' })
      : json(200, { tokens: await renewed })
  }

  return createServer((req, res) => void respond(req, res, answer))
}

/** A page in a browser can send a POST, too; scripts and people at a terminal name no origin. */
function unlessProgram({ method, headers }: IncomingMessage): Page | undefined {
  if (method !== 'POST') return wrongMethod('POST')
  return headers.origin === undefined ? undefined : json(403, { error: 'not for web pages' })
}

async function respond(
  req: IncomingMessage,
  res: ServerResponse,
  answer: (req: IncomingMessage) => Promise<Page>,
): Promise<void> {
  try {
    send(res, await answer(req))
  } catch (cause) {
    send(res, failurePage(toSidecarError(cause)))
  }
}

function failurePage({ status, code, message, oauthError }: SidecarError): Page {
  return json(status, { code, oauthError, error: message })
}

function wrongMethod(allowed: string): Page {
  return { ...json(405, { error: `only ${allowed}` }), allow: allowed }
}

function json(status: number, value: unknown): Page {
  return { status, type: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n` }
}

function send(res: ServerResponse, { status, type, body, allow }: Page): void {
  res.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(allow !== undefined && { Allow: allow }),
  })
  res.end(body)
}
