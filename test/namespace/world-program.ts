import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'

/*
 * All servers outside of the pod: every host of the tests, on several ports, and the authorization server. Arguments:
 * a certificate for all hosts, its key, and the
 * addresses of the servers.
 */

const [, , certificate = '', key = '', ...addresses] = process.argv

const TOKEN = 'Bearer namespace-token-canary'

/** What git requests first, and prints. */
const REFS = `${'0123456789'.repeat(4)}\trefs/heads/main\n`

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse

function respond(req: Request, res: Response): void {
  if (req.url === '/token') {
    res.setHeader('content-type', 'application/json')
    res.end('{"access_token":"namespace-token-canary","token_type":"Bearer","expires_in":300}')
    return
  }
  const { authorization = 'none' } = req.headers
  if (req.url?.startsWith('/orders/') === true) {
    res.statusCode = authorization === TOKEN ? 200 : 401
    res.end(authorization === TOKEN ? REFS : '')
    return
  }
  const encryption = 'encrypted' in req.socket ? 'https' : 'http'
  res.end(`${encryption} ${req.httpVersion} ${authorization}\n`)
}

/** A unary gRPC method that returns its message, and the `authorization` of the call in a trailer. */
function respondToCall(req: Http2ServerRequest, res: Http2ServerResponse): void {
  const { authorization = 'none' } = req.headers
  res.setHeader('content-type', 'application/grpc')
  res.addTrailers({ 'grpc-status': '0', 'x-authorization': authorization })
  req.pipe(res)
}

for (const port of [443, 8443, 9000, 53]) {
  const server = createSecureServer({
    cert: readFileSync(certificate),
    key: readFileSync(key),
    allowHTTP1: true,
  })
  server.on('request', (req, res) => {
    if (req.headers['content-type'] === 'application/grpc') respondToCall(req, res)
    else respond(req, res)
  })
  server.listen(port, '::')
  await once(server, 'listening')
}
const http = createServer(respond)
http.listen(80, '::')
await once(http, 'listening')

// Each with an address of its own, from which it replies.
for (const address of addresses) {
  for (const port of [443, 53]) {
    const echo = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4')
    echo.on('message', (message, sender) => echo.send(message, sender.port, sender.address))
    echo.bind(port, address)
    await once(echo, 'listening')
  }
}

process.stdout.write('ready\n')
