import { compareMessages, type Rules } from './compare-messages.ts'
import { type ReadAll, readMessages, type ReadMessage, valuesOf } from './read-message.ts'
import {
  type Doubt,
  type Exchange,
  FREE_IN_REQUESTS,
  FREE_IN_RESPONSES,
  head,
  OK,
  type Refusal,
  type Step,
  type WireCase,
} from './wire-case.ts'
import { connectWireClient, type WireClient } from './wire-client.ts'
import { PROBE_BODY, PROBE_TARGET, startWireUpstream, type WireUpstream } from './wire-upstream.ts'

/** A proxy that forwards all requests to one upstream. */
type WireProxy = {
  readonly url: string
  /** Its name in `Via`; without it any name is accepted. */
  readonly name?: string
  /** The `Authorization` that it must set in each request. */
  readonly authorization?: string
}

export type StartWireProxy = (upstreamOrigin: string) => Promise<WireProxy>

/** Runs one case through a proxy, and returns the violations. */
export async function faultsOf(
  wireCase: WireCase,
  startProxy: StartWireProxy,
  upstreamPort = 0,
): Promise<string[]> {
  const upstream = await startWireUpstream(wireCase.upstream ?? {}, upstreamPort)
  const proxy = await startProxy(upstream.origin)
  const client = await connectWireClient(proxy.url)
  const toHead = allBytes(wireCase).startsWith('HEAD ')
  const run: Run = {
    upstream,
    proxy,
    client,
    responses: () =>
      readMessages(client.received(), { of: 'responses', toHead, isEnded: client.isClosed() }),
  }

  await send(run, wireCase.sends)
  const faults =
    'refused' in wireCase
      ? await rejectionFaults(run, wireCase)
      : 'atMost' in wireCase
        ? await ambiguityFaults(run, wireCase)
        : await exchangeFaults(run, wireCase)
  if (faults.length > 0) faults.push(`the client got ${show(client.received())}`)
  return faults
}

type Run = {
  readonly upstream: WireUpstream
  readonly proxy: WireProxy
  readonly client: WireClient
  readonly responses: () => ReadAll
}

function allBytes({ sends }: WireCase): string {
  if (typeof sends === 'string') return sends
  return sends.filter((step) => typeof step === 'string').join('')
}

async function send(
  { client, upstream, proxy }: Run,
  sends: string | readonly Step[],
): Promise<void> {
  for (const step of typeof sends === 'string' ? [sends] : sends) {
    if (typeof step === 'string') {
      await client.write(step.replaceAll('AUTHORITY', new URL(proxy.url).host))
    } else {
      const { until } = step
      if (until === 'answered, unread') {
        client.pause()
        await upstream.answered
      } else if (until === 'another is served') {
        const other = await connectWireClient(proxy.url)
        await isServed(other, 0)
        other.leave()
      } else if (until === 'interrupted') await upstream.interrupt()
      else if (until === 'connected again') await upstream.connectedAgain
      else await client.waitUntil(() => until.test(client.received()))
    }
  }
  client.resume()
}

async function exchangeFaults(run: Run, expected: Exchange): Promise<string[]> {
  const { client, upstream, proxy } = run
  const { arrives, comesBack = [OK], connection } = expected
  if (comesBack === 'failure' || comesBack === 'bad gateway')
    await client.waitUntil(() => finals(run).length > 0)
  else if (comesBack.some(({ cut }) => cut === true)) await client.waitUntil(client.isClosed)
  else await client.waitUntil(() => finals(run).length >= comesBack.filter(isFinal).length)
  const responses = run.responses()
  const usedConnections = upstream.usedConnections()
  const after = await afterFaults(run, connection)

  const requestRules: Rules = {
    free: freeInRequests(proxy),
    proxyName: proxy.name,
  }
  const faults: string[] = []
  if (arrives === 'no whole request') {
    if (upstream.requests.length > 0) faults.push('a complete request arrived')
    if (upstream.leftOvers().some(({ state }) => state === 'malformed'))
      faults.push('what arrived is not valid HTTP')
  } else {
    // Pipelined requests may take several connections, in any order.
    const inOrder = upstream.requests.toSorted((a, b) => compare(a.line, b.line))
    const wanted = arrives.toSorted((a, b) => compare(a.line, b.line))
    faults.push(
      ...compareMessages('arrived', wanted, inOrder, requestRules),
      ...leftOverFaults(upstream),
    )
  }
  faults.push(...authorizationFaults(run))
  if (upstream.isOvertaken())
    faults.push('a request arrived before the response to the previous one')

  const responseRules: Rules = { free: FREE_IN_RESPONSES, proxyName: proxy.name }
  const { upstreamConnections = usedConnections } = expected
  if (usedConnections !== upstreamConnections) {
    faults.push(`arrived on ${usedConnections} connections instead of ${upstreamConnections}`)
  }
  if (comesBack === 'failure') faults.push(...completeResponseFaults(responses))
  else if (comesBack === 'bad gateway') faults.push(...badGatewayFaults(responses))
  else {
    const got = responses.rest === 'nothing' ? [] : [responses.rest]
    faults.push(...compareMessages('came back', comesBack, responses.whole, responseRules, got))
  }
  return [...faults, ...after]
}

/** An invalid response must not be forwarded as a complete one. */
function completeResponseFaults({ whole, rest }: ReadAll): string[] {
  const response = whole.find(isFinal)
  if (response !== undefined) {
    return [400, 502].includes(statusOf(response)) ? [] : ['a complete response came back']
  }
  return rest !== 'nothing' && rest.state === 'malformed'
    ? [`what came back is not valid HTTP: ${rest.why}`]
    : []
}

function badGatewayFaults({ whole, rest }: ReadAll): string[] {
  const [response, ...others] = whole.filter(isFinal)
  const isBadGateway = response !== undefined && statusOf(response) === 502 && response.body !== ''
  return isBadGateway && others.length === 0 && rest === 'nothing'
    ? []
    : ['it is not a 502 with a body']
}

async function rejectionFaults(run: Run, { refused, connection }: Refusal): Promise<string[]> {
  const { client, upstream } = run
  await client.waitUntil(() => finals(run).length > 0)
  const responses = run.responses()
  const faults = await afterFaults(run, connection ?? 'closes')
  const statuses = responses.whole.map(statusOf)
  if (statuses.length !== 1 || !refused.includes(statuses[0] ?? 0)) {
    faults.push(`expected one response of ${refused.join(' or ')}, got [${statuses.join(', ')}]`)
  }
  if (responses.rest !== 'nothing') faults.push('data follows the response')
  return [...faults, ...anyByteFaults(upstream)]
}

async function ambiguityFaults(run: Run, { atMost, about = 'the end' }: Doubt): Promise<string[]> {
  const { client, upstream, proxy } = run
  await client.waitUntil(() => finals(run).length > 0)
  const [response] = finals(run)
  const isRefused = response === undefined ? client.isClosed() : statusOf(response) >= 400
  const mustClose = isRefused && about !== 'the meaning'
  const faults = await afterFaults(run, mustClose ? 'closes' : undefined)
  const { whole, rest } = run.responses()
  if (rest !== 'nothing') faults.push('data follows the response')
  if (isRefused) {
    if (about === 'the body') return [...faults, ...arrivalFaults(upstream)]
    if (response === undefined) faults.push('it was rejected without a response')
    return [...faults, ...anyByteFaults(upstream)]
  }
  if (atMost === undefined) return [...faults, 'it was not rejected', ...arrivalFaults(upstream)]
  // Data after the request may be rejected.
  if (whole.filter((message) => isFinal(message) && statusOf(message) < 400).length > 1) {
    faults.push('more than one response came back')
  }
  const rules: Rules = { free: freeInRequests(proxy), proxyName: proxy.name }
  return [
    ...faults,
    ...compareMessages('arrived', [atMost], upstream.requests, rules),
    ...leftOverFaults(upstream),
    ...authorizationFaults(run),
  ]
}

/**
 * Checks the client connection, and whether the proxy still serves others. The response to a probe also
 * shows that everything sent before has arrived; and if a part of the request was taken for another one, the
 * probe gets the wrong response.
 */
async function afterFaults(
  run: Run,
  connection: Exchange['connection'] | Refusal['connection'],
): Promise<string[]> {
  const { client, proxy } = run
  const faults: string[] = []
  if (connection === 'closes' && !(await client.waitUntil(client.isClosed))) {
    faults.push('the connection stayed open')
  }
  if (connection === 'stays') {
    const before = client.received().length
    if (!(await isServed(client, before)))
      faults.push('the connection does not serve another request')
  }
  const other = await connectWireClient(proxy.url)
  if (!(await isServed(other, 0))) faults.push(`another client got ${show(other.received())}`)
  other.leave()
  client.leave()
  return faults
}

async function isServed(client: WireClient, from: number): Promise<boolean> {
  const responses = (): ReadAll =>
    readMessages(client.received().slice(from), { of: 'responses', isEnded: client.isClosed() })
  await client.write(head(`GET ${PROBE_TARGET} HTTP/1.1`, 'Host: localhost'))
  await client.waitUntil(() => responses().whole.length > 0)
  const { whole, rest } = responses()
  return whole.length === 1 && whole[0]?.body === PROBE_BODY && rest === 'nothing'
}

function arrivalFaults({ requests }: WireUpstream): string[] {
  return requests.map(({ line, body }) => `arrived: ${show(line)} with ${show(body)}`)
}

function anyByteFaults(upstream: WireUpstream): string[] {
  return [
    ...arrivalFaults(upstream),
    ...upstream.leftOvers().map((reading) => `arrived in part: ${show(JSON.stringify(reading))}`),
  ]
}

function leftOverFaults(upstream: WireUpstream): string[] {
  return upstream
    .leftOvers()
    .map((reading) => `arrived after the requests: ${show(JSON.stringify(reading))}`)
}

function freeInRequests({ authorization }: WireProxy): ReadonlySet<string> {
  return authorization === undefined
    ? FREE_IN_REQUESTS
    : new Set([...FREE_IN_REQUESTS, 'authorization'])
}

function authorizationFaults({ proxy, upstream }: Run): string[] {
  if (proxy.authorization === undefined) return []
  return upstream.requests
    .map(({ fields }) => valuesOf(fields, 'authorization'))
    .filter((values) => values.length !== 1 || values[0] !== proxy.authorization)
    .map((values) => `arrived with Authorization ${JSON.stringify(values)}`)
}

function finals(run: Run): readonly ReadMessage[] {
  return run.responses().whole.filter(isFinal)
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
