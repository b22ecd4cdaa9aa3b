import { type RunningSidecar, startSidecar } from './sidecar.ts'
import { startServer } from './servers.ts'
import { sendToken, startTokenEndpoint, type TokenEndpoint } from './token-endpoint.ts'

export const STORE_KEY = 'a key of the store with more than 32 characters'
export const FLEET_SECRET = 'the-secret-of-the-fleet'
export const FLEET_CLIENT = 'billing-client'

export type Fleet = {
  readonly endpoint: TokenEndpoint
  /** The tokens that the API accepts; all of them if undefined. */
  accepted: ((authorization: string) => boolean) | undefined
  /** A sidecar of the fleet. */
  readonly start: (options: ReplicaOptions) => Promise<RunningSidecar>
  /** The YAML of its configuration. */
  readonly config: (options: ReplicaOptions) => string
}

type ReplicaOptions = {
  readonly url: string
  /** Further settings of `tokenStore` and of the credential, in flow style. */
  readonly store?: string
  /** The list of keys. */
  readonly keys?: string
  readonly credential?: string
}

/** An authorization server that numbers its tokens, and an API that responds with the token it receives. */
export async function createFleet({ lifetimeSeconds = 300 } = {}): Promise<Fleet> {
  let issued = 0
  const endpoint = await startTokenEndpoint((_request, res) => {
    issued += 1
    sendToken(res, { access_token: `issued-token-${issued}`, expires_in: lifetimeSeconds })
  })
  const upstream = await startServer((req, res) => {
    const authorization = req.headers.authorization ?? ''
    if (fleet.accepted?.(authorization) === false) res.statusCode = 401
    res.end(authorization)
  })
  const config: Fleet['config'] = ({
    url,
    store = '',
    keys = `[{ value: "${STORE_KEY}" }]`,
    credential = '',
  }) => `
tokenStore: { url: ${url}, keys: ${keys}${store === '' ? '' : `, ${store}`} }
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: ${FLEET_CLIENT}
    auth: { clientSecret: { value: ${FLEET_SECRET} } }
    refresh: { jitter: 0s }
    ${credential}
routes:
  - { name: api, match: { path: / }, upstream: "${upstream}", credential: corp }
`
  const fleet: Fleet = {
    endpoint,
    accepted: undefined,
    config,
    start: async (options) => await startSidecar(config(options)),
  }
  return fleet
}

/** The status and the body of a request through the sidecar. */
export async function call({ proxyUrl }: RunningSidecar): Promise<string> {
  const response = await fetch(proxyUrl)
  return `${response.status} ${await response.text()}`
}

/** The value of a metric, with its labels as in the exposition. */
export async function metricOf(
  { adminUrl }: RunningSidecar,
  series: string,
): Promise<number | undefined> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length))
}

/** The messages of log lines about the store, in order. */
export async function storeLogOf(sidecar: RunningSidecar): Promise<string[]> {
  const lines = (await sidecar.logs()).split('\n').filter((line) => line.includes('token store'))
  return lines.map((line) => {
    const { message, reason }: { message?: string; reason?: string } = JSON.parse(line)
    return [message, reason].filter((part) => part !== undefined).join(': ')
  })
}
