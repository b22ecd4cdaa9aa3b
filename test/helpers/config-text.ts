import { CLIENT_ID, CLIENT_SECRET } from './servers.ts'

type Given = {
  readonly upstream: string
  /** Lines for the credential. */
  readonly credential?: string
  /** Lines for the route. */
  readonly route?: string
}

/** One route to `upstream` with a token from `issuer`, a real authorization server. */
export function ordersConfig(given: Given & { readonly issuer: string }): string {
  return routeWithToken({ server: `issuer: ${given.issuer}`, ...given })
}

/** One route to `upstream` with a token from `endpoint`. */
export function endpointConfig(given: Given & { readonly endpoint: string }): string {
  return routeWithToken({ server: `tokenEndpoint: ${given.endpoint}`, ...given })
}

function routeWithToken(given: Given & { readonly server: string }): string {
  const { server, upstream, credential = '', route = '' } = given
  return `
credentials:
  corp:
    ${server}
    clientId: ${CLIENT_ID}
    auth: { method: client_secret_basic, clientSecret: { value: ${CLIENT_SECRET} } }
    scopes: [orders.read]
${indent(credential, 4)}
routes:
  - name: orders
    match: { path: /orders }
    upstream: ${upstream}
    credential: corp
${indent(route, 4)}
`
}

/** One route for all requests, without a token. */
export function forwardConfig(upstream: string, route = ''): string {
  return `
routes:
  - name: all
    match: { path: / }
    upstream: ${upstream}
    credential: none
${indent(route, 4)}
`
}

function indent(text: string, columns: number): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(columns))
}
