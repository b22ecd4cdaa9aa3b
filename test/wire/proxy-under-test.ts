import { forwardConfig } from '../helpers/config-text.ts'
import { credentialConfig } from '../helpers/credential-call.ts'
import { CLIENT_ID, CLIENT_SECRET } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import type { StartWireProxy } from './run-wire-case.ts'

/**
 * The cases can test any other proxy that forwards all requests to one local port:
 * `WIRE_PROXY=http://127.0.0.1:PORT` is its URL, `WIRE_UPSTREAM_PORT=PORT` that port, and
 * `WIRE_AUTHORIZATION` the `Authorization` that it adds, if any (for the smuggling cases).
 */
const other = process.env['WIRE_PROXY']
const otherAuthorization = process.env['WIRE_AUTHORIZATION']

/** The port of the upstream; 0 for any free port. */
export const UPSTREAM_PORT = Number(process.env['WIRE_UPSTREAM_PORT'] ?? 0)

export const startForwarding: StartWireProxy = async (upstreamOrigin, upstreamProtocol) => {
  if (other !== undefined) return { url: other }
  const sidecar = await startSidecar(forwardConfig(upstreamOrigin, routeLine(upstreamProtocol)))
  return { url: sidecar.proxyUrl, name: 'token-sidecar' }
}

export const startWithToken: StartWireProxy = async (upstreamOrigin, upstreamProtocol) => {
  if (other !== undefined) {
    return {
      url: other,
      ...(otherAuthorization !== undefined && { authorization: otherAuthorization }),
    }
  }
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: 'TOKEN' }),
  )
  const credential = `
tokenEndpoint: ${endpoint.url}
clientId: ${CLIENT_ID}
auth: { method: client_secret_basic, clientSecret: { value: ${CLIENT_SECRET} } }`
  const sidecar = await startSidecar(
    credentialConfig(credential, upstreamOrigin, routeLine(upstreamProtocol)),
  )
  return { url: sidecar.proxyUrl, name: 'token-sidecar', authorization: 'Bearer TOKEN' }
}

function routeLine(upstreamProtocol: 'HTTP/1.1' | 'HTTP/2'): string {
  return `http2: ${upstreamProtocol === 'HTTP/2' ? 'always' : 'never'}`
}
