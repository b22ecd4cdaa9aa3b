import { createServer, type Server, type ServerResponse } from 'node:http'
import type { Metrics } from '../observe/metrics.ts'
import type { Readiness } from './readiness.ts'
import type { Status } from './status.ts'

export type AdminOptions = {
  readonly readiness: () => Readiness
  readonly status: () => Status
  readonly metrics: Pick<Metrics, 'expose' | 'contentType'>
}

type Page = { readonly status: number; readonly type: string; readonly body: string }

/** Health, metrics and status, on a port of their own. Shows no token and no secret. */
export function createAdminServer({ readiness, status, metrics }: AdminOptions): Server {
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
  return createServer((req, res) => {
    const [path = ''] = (req.url ?? '').split('?')
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    if (page === undefined) {
      const known = Object.keys(pages).join(', ')
      send(res, json(404, { error: 'no such page', pages: known }))
    } else if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.setHeader('Allow', 'GET, HEAD')
      send(res, json(405, { error: 'only GET and HEAD' }))
    } else {
      void respond(res, page)
    }
  })
}

async function respond(res: ServerResponse, page: () => Page | Promise<Page>): Promise<void> {
  try {
    send(res, await page())
  } catch {
    send(res, json(500, { error: 'the page could not be made' }))
  }
}

function json(status: number, value: unknown): Page {
  return { status, type: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n` }
}

function send(res: ServerResponse, { status, type, body }: Page): void {
  res.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  res.end(body)
}
