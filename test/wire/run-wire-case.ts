import { compareMessages, type Rules } from './compare-messages.ts'
import { type ReadAll, readMessages, type ReadMessage, valuesOf } from './read-message.ts'
import {
  type AmbiguousRequest,
  type Exchange,
  UNCHECKED_REQUEST_FIELDS,
  UNCHECKED_RESPONSE_FIELDS,
  head,
  OK,
  type Rejection,
  type Step,
  type UpstreamScript,
  type WireCase,
} from './wire-case.ts'
import { connectWireClient, type WireClient } from './wire-client.ts'
import { PROBE_BODY, PROBE_TARGET, startWireUpstream, type WireUpstream } from './wire-upstream.ts'

/** A proxy that forwards everything to the upstream that it was started for. */
type WireProxy = {
  readonly url: string
  /** Its name in `Via`; any name is accepted if it is unset. */
  readonly name?: string
  /** The `Authorization` that it must add to each request, instead of any other. */
  readonly authorization?: string
}

export type StartWireProxy = (
  upstreamOrigin: string,
  upstreamProtocol: 'HTTP/1.1' | 'HTTP/2',
) => Promise<WireProxy>

/** The client and the upstream of the proxy under test. */
export type WirePeers = {
  readonly connect: (proxyUrl: string) => Promise<WireClient>
  readonly startUpstream: (script: UpstreamScript) => Promise<WireUpstream>
  readonly upstreamProtocol: 'HTTP/1.1' | 'HTTP/2'
}

/** Raw HTTP/1.1 on both sides; the upstream listens on `upstreamPort`, or on any free port if that is 0. */
export function http1Peers(upstreamPort = 0): WirePeers {
  return {
    connect: connectWireClient,
    startUpstream: (script) => startWireUpstream(script, upstreamPort),
    upstreamProtocol: 'HTTP/1.1',
  }
}

/** Runs one case through a proxy and returns the differences from what it expects. */
export async function faultsOf(
  wireCase: WireCase,
  startProxy: StartWireProxy,
  peers: WirePeers = http1Peers(),
): Promise<string[]> {
  const upstream = await peers.startUpstream(wireCase.upstream ?? {})
  const proxy = await startProxy(upstream.origin, peers.upstreamProtocol)
  const client = await peers.connect(proxy.url)
  const toHead = allBytes(wireCase).startsWith('HEAD ')
  const observed: Observed = {
    upstream,
    proxy,
    client,
    peers,
    responses: () =>
      readMessages(client.received(), { of: 'responses', toHead, isEnded: client.isClosed() }),
  }

  await send(observed, wireCase.clientSends)
  const faults =
    'rejectedWith' in wireCase
      ? await rejectionFaults(observed, wireCase)
      : 'mayForward' in wireCase
        ? await ambiguousRequestFaults(observed, wireCase)
        : await exchangeFaults(observed, wireCase)
  if (faults.length > 0) faults.push(`the client received ${show(client.received())}`)
  return faults
}

type Observed = {
  readonly upstream: WireUpstream
  readonly proxy: WireProxy
  readonly client: WireClient
  readonly peers: WirePeers
  readonly responses: () => ReadAll
}

function allBytes({ clientSends }: WireCase): string {
  if (typeof clientSends === 'string') return clientSends
  return clientSends.filter((step) => typeof step === 'string').join('')
}

async function send(
  { client, upstream, proxy, peers }: Observed,
  clientSends: string | readonly Step[],
): Promise<void> {
  for (const step of typeof clientSends === 'string' ? [clientSends] : clientSends) {
    if (typeof step === 'string') {
      await client.write(step.replaceAll('AUTHORITY', new URL(proxy.url).host))
    } else {
      const { until } = step
      if (until === 'responded, unread') {
        client.pause()
        await upstream.responded
      } else if (until === 'another client is served') {
        const other = await peers.connect(proxy.url)
        await isServed(other, 0)
        other.close()
      } else if (until === 'unsolicited data was sent') await upstream.sendUnsolicited()
      else if (until === 'reconnected') await upstream.reconnected
      else await client.waitUntil(() => until.test(client.received()))
    }
  }
  client.resume()
}

async function exchangeFaults(observed: Observed, expected: Exchange): Promise<string[]> {
  const { client, upstream, proxy } = observed
  const { upstreamReceives, clientReceives = [OK], connection } = expected
  if (clientReceives === 'failure' || clientReceives === 'bad gateway')
    await client.waitUntil(() => finals(observed).length > 0)
  else if (clientReceives.some(({ isTruncated }) => isTruncated === true))
    await client.waitUntil(client.isClosed)
  else
    await client.waitUntil(() => finals(observed).length >= clientReceives.filter(isFinal).length)
  const responses = observed.responses()
  const connectionCount = upstream.connectionCount()
  const after = await connectionFaults(observed, client.isMultiplexed ? 'persists' : connection)

  const requestRules: Rules = {
    unchecked: uncheckedRequestFields(observed),
    proxyName: proxy.name,
  }
  const faults: string[] = []
  if (upstreamReceives === 'no complete request') {
    if (upstream.requests.length > 0) faults.push('the upstream received a complete request')
    if (upstream.incompleteInput().some(({ state }) => state === 'malformed'))
      faults.push('the upstream received data that is not HTTP')
  } else {
    // Pipelined requests may use several connections, in any order.
    const inOrder = upstream.requests.toSorted((a, b) => compare(a.line, b.line))
    const expectedInOrder = upstreamReceives.toSorted((a, b) => compare(a.line, b.line))
    faults.push(
      ...compareMessages('upstream', expectedInOrder, inOrder, requestRules),
      ...incompleteInputFaults(upstream),
    )
  }
  faults.push(...authorizationFaults(observed))
  if (upstream.receivedBeforeResponse())
    faults.push('the upstream received a request before it had responded to the previous one')

  const responseRules: Rules = { unchecked: UNCHECKED_RESPONSE_FIELDS, proxyName: proxy.name }
  const { upstreamConnections = connectionCount } = expected
  if (connectionCount !== upstreamConnections) {
    faults.push(
      `requests on ${connectionCount} upstream connections instead of ${upstreamConnections}`,
    )
  }
  if (clientReceives === 'failure') faults.push(...completeResponseFaults(responses))
  else if (clientReceives === 'bad gateway') faults.push(...badGatewayFaults(responses))
  else {
    const unread = responses.rest === 'nothing' ? [] : [responses.rest]
    faults.push(
      ...compareMessages('client', clientReceives, responses.complete, responseRules, unread),
    )
  }
  return [...faults, ...after]
}

/** A malformed or truncated message must never become a response that looks complete. */
function completeResponseFaults({ complete, rest }: ReadAll): string[] {
  const response = complete.find(isFinal)
  if (response !== undefined) {
    return [400, 502].includes(statusOf(response))
      ? []
      : ['the client received a complete response']
  }
  return rest !== 'nothing' && rest.state === 'malformed'
    ? [`the client received data that is not HTTP: ${rest.why}`]
    : []
}

function badGatewayFaults({ complete, rest }: ReadAll): string[] {
  const [response, ...others] = complete.filter(isFinal)
  const isBadGateway = response !== undefined && statusOf(response) === 502 && response.body !== ''
  return isBadGateway && others.length === 0 && rest === 'nothing'
    ? []
    : ['the response is not a 502 with a body']
}

async function rejectionFaults(
  observed: Observed,
  { rejectedWith, connection }: Rejection,
): Promise<string[]> {
  const { client, upstream } = observed
  await client.waitUntil(() => finals(observed).length > 0)
  const responses = observed.responses()
  const wasReset = client.wasReset()
  const byDefault = client.isMultiplexed ? 'persists' : 'closes'
  const faults = await connectionFaults(observed, connection ?? byDefault)
  const statuses = responses.complete.map(statusOf)
  if (wasReset) return [...faults, ...anyByteFaults(upstream)]
  if (statuses.length !== 1 || !rejectedWith.includes(statuses[0] ?? 0)) {
    faults.push(
      `expected one response of ${rejectedWith.join(' or ')}, got [${statuses.join(', ')}]`,
    )
  }
  if (responses.rest !== 'nothing') faults.push('data follows the response')
  return [...faults, ...anyByteFaults(upstream)]
}

async function ambiguousRequestFaults(
  observed: Observed,
  { mayForward, ambiguity = 'framing' }: AmbiguousRequest,
): Promise<string[]> {
  const { client, upstream, proxy } = observed
  await client.waitUntil(() => finals(observed).length > 0)
  const [response] = finals(observed)
  const isRejected = response === undefined ? client.isClosed() : statusOf(response) >= 400
  const wasReset = client.wasReset()
  const mustClose = isRejected && ambiguity !== 'semantics' && !client.isMultiplexed
  const faults = await connectionFaults(observed, mustClose ? 'closes' : undefined)
  const { complete, rest } = observed.responses()
  if (rest !== 'nothing') faults.push('data follows the response')
  if (isRejected) {
    if (ambiguity === 'body') return [...faults, ...requestFaults(upstream)]
    if (response === undefined && !wasReset)
      faults.push('the request was rejected without a response')
    return [...faults, ...anyByteFaults(upstream)]
  }
  if (mayForward === undefined)
    return [...faults, 'the request was not rejected', ...requestFaults(upstream)]
  // Data after the request may still be rejected.
  if (complete.filter((message) => isFinal(message) && statusOf(message) < 400).length > 1) {
    faults.push('the client received more than one response')
  }
  const rules: Rules = { unchecked: uncheckedRequestFields(observed), proxyName: proxy.name }
  return [
    ...faults,
    ...compareMessages('upstream', [mayForward], upstream.requests, rules),
    ...incompleteInputFaults(upstream),
    ...authorizationFaults(observed),
  ]
}

/**
 * Checks the state of the client connection, and that the proxy still serves other clients. The response to
 * such a probe arrives after everything that the proxy sent to the upstream before it; and if a part of the
 * request was interpreted as another request, the probe gets the wrong response.
 */
async function connectionFaults(
  observed: Observed,
  connection: Exchange['connection'] | Rejection['connection'],
): Promise<string[]> {
  const { client, proxy, peers } = observed
  const faults: string[] = []
  if (connection === 'closes' && !(await client.waitUntil(client.isClosed))) {
    faults.push('the connection stayed open')
  }
  if (connection === 'persists') {
    const before = client.received().length
    if (!(await isServed(client, before)))
      faults.push('the connection does not serve another request')
  }
  const other = await peers.connect(proxy.url)
  if (!(await isServed(other, 0))) faults.push(`another client received ${show(other.received())}`)
  other.close()
  client.close()
  return faults
}

async function isServed(client: WireClient, from: number): Promise<boolean> {
  const responses = (): ReadAll =>
    readMessages(client.received().slice(from), { of: 'responses', isEnded: client.isClosed() })
  client.startNextRequest()
  await client.write(head(`GET ${PROBE_TARGET} HTTP/1.1`, 'Host: localhost'))
  await client.waitUntil(() => responses().complete.length > 0)
  const { complete, rest } = responses()
  return complete.length === 1 && complete[0]?.body === PROBE_BODY && rest === 'nothing'
}

function requestFaults({ requests }: WireUpstream): string[] {
  return requests.map(({ line, body }) => `the upstream received ${show(line)} with ${show(body)}`)
}

function anyByteFaults(upstream: WireUpstream): string[] {
  return [
    ...requestFaults(upstream),
    ...upstream
      .incompleteInput()
      .map(
        (reading) =>
          `the upstream received an incomplete message: ${show(JSON.stringify(reading))}`,
      ),
  ]
}

function incompleteInputFaults(upstream: WireUpstream): string[] {
  return upstream
    .incompleteInput()
    .map((reading) => `the upstream received after the requests: ${show(JSON.stringify(reading))}`)
}

function uncheckedRequestFields({ proxy, peers }: Observed): ReadonlySet<string> {
  return new Set([
    ...UNCHECKED_REQUEST_FIELDS,
    ...(proxy.authorization === undefined ? [] : ['authorization']),
    // RFC 9113 section 8.2.2: a proxy may announce that it accepts trailer fields.
    ...(peers.upstreamProtocol === 'HTTP/2' ? ['te'] : []),
  ])
}

function authorizationFaults({ proxy, upstream }: Observed): string[] {
  if (proxy.authorization === undefined) return []
  return upstream.requests
    .map(({ fields }) => valuesOf(fields, 'authorization'))
    .filter((values) => values.length !== 1 || values[0] !== proxy.authorization)
    .map((values) => `the upstream received Authorization ${JSON.stringify(values)}`)
}

function finals(observed: Observed): readonly ReadMessage[] {
  return observed.responses().complete.filter(isFinal)
}

function isFinal({ line }: { readonly line: string }): boolean {
  return !/^HTTP\/1.1 1/.test(line)
}

function statusOf({ line }: ReadMessage): number {
  return Number(line.split(' ')[1])
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1
}

function show(bytes: string): string {
  return bytes.length > 2_000 ? `${JSON.stringify(bytes.slice(0, 2_000))}…` : JSON.stringify(bytes)
}
