import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { ServerResponse } from 'node:http'
import httpProxy from 'http-proxy'
import { readProgramSettings, serveProgram } from './serve-program.ts'

const { upstream, ca, authorization } = readProgramSettings()
const proxy = httpProxy.createProxyServer({
  target: upstream,
  agent: upstream.startsWith('https:')
    ? new TlsAgent({ keepAlive: true, ca })
    : new Agent({ keepAlive: true }),
  headers: { authorization },
})
proxy.on('error', (_error, _req, res) => {
  if (res instanceof ServerResponse) res.writeHead(502).end()
})
await serveProgram((req, res) => proxy.web(req, res))
