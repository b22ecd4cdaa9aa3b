import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import * as z from 'zod'
import { RESPONSES, PROBE_PATH, UPLOAD_PATH } from './responses.ts'
import { describeRequest } from './describe-request.ts'
import { tokenLengths } from './upstream.ts'

const settings = z.object({ token: z.string(), certificateFile: z.string(), keyFile: z.string() })

const { token, certificateFile, keyFile } = settings.parse(
  JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')),
)
const { min, max } = tokenLengths(token)
const AUTHORIZATION = new RegExp(`^Bearer [A-Za-z0-9._~-]{${min},${max}}$`)

const KEEP_ALIVE = { keepAliveTimeout: 3_600_000 }
const cert = readFileSync(certificateFile)
const key = readFileSync(keyFile)
const http = await listen(createServer(KEEP_ALIVE, handle))
const https = await listen(createTlsServer({ cert, key, ...KEEP_ALIVE }, handle))
process.stdout.write(
  `${JSON.stringify({ http: `http://127.0.0.1:${http}`, https: `https://127.0.0.1:${https}` })}\n`,
)

function handle(req: IncomingMessage, res: ServerResponse): void {
  if (!AUTHORIZATION.test(req.headers.authorization ?? '')) {
    res.writeHead(401).end()
    return
  }
  const [, , kind, length] = (req.url ?? '').split('/')
  switch (kind) {
    case PROBE_PATH: {
      void describeRequest(req, res)
      return
    }
    case UPLOAD_PATH: {
      receive(req, res, Number(length))
      return
    }
    case RESPONSES.mebibyte.path: {
      respond(res, RESPONSES.mebibyte)
      return
    }
    default: {
      respond(res, RESPONSES.small)
    }
  }
}

function receive(req: IncomingMessage, res: ServerResponse, expected: number): void {
  let received = 0
  req.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  req.on('end', () => {
    if (received === expected) respond(res, RESPONSES.small)
    else res.writeHead(400).end()
  })
}

function respond(
  res: ServerResponse,
  { type, body }: { readonly type: string; readonly body: Buffer },
): void {
  res.writeHead(200, { 'content-type': type, 'content-length': body.length }).end(body)
}

async function listen(server: Server | TlsServer): Promise<number> {
  server.listen(0, '127.0.0.1', 4096)
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  return bound.port
}
