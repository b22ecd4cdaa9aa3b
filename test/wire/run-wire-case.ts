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
  type UpstreamScript,
  type WireCase,
} from './wire-case.ts'
import { connectWireClient, type WireClient } from './wire-client.ts'
import { PROBE_BODY, PROBE_TARGET, startWireUpstream, type WireUpstream } from './wire-upstream.ts'

/** A proxy that forwards everything to the upstream that it was started for. */
type WireProxy = {
  readonly url: string
  /** What it calls itself in `Via`; any name will do unless it is known. */
  readonly name?: string
  /** The `Authorization` that it must add to each request, instead of any other. */
  readonly authorization?: string
}

export type StartWireProxy = (
  upstreamOrigin: string,
  upstreamProtocol: 'HTTP/1.1' | 'HTTP/2',
) => Promise<WireProxy>

/** The two sides between which the proxy is. */
export type WirePeers = {
  readonly connect: (proxyUrl: string) => Promise<WireClient>
  readonly startUpstream: (script: UpstreamScript) => Promise<WireUpstream>
  readonly upstreamProtocol: 'HTTP/1.1' | 'HTTP/2'
}

/** Raw octets of HTTP/1.1 on both sides; the upstream listens on `upstreamPort`, or anywhere. */
export function http1Peers(upstreamPort = 0): WirePeers {
  return {
    connect: connectWireClient,
    startUpstream: (script) => startWireUpstream(script, upstreamPort),
    upstreamProtocol: 'HTTP/1.1',
  }
}

/** Sends one case through a proxy and says what is wrong with what came out of it; nothing, if all is well. */
export async function faultsOf(
  wireCase: WireCase,
  startProxy: StartWireProxy,
  peers: WirePeers = http1Peers(),
): Promise<string[]> {
  const upstream = await peers.startUpstream(wireCase.upstream ?? {})
  const proxy = await startProxy(upstream.origin, peers.upstreamProtocol)
  const client = await peers.connect(proxy.url)
  const toHead = allBytes(wireCase).startsWith('HEAD ')
  const seen: Seen = {
    upstream,
    proxy,
    client,
    peers,
    answers: () =>
      readMessages(client.received(), { of: 'responses', toHead, isEnded: client.isClosed() }),
  }

  await send(seen, wireCase.sends)
  const faults =
    'refused' in wireCase
      ? await refusalFaults(seen, wireCase)
      : 'atMost' in wireCase
        ? await doubtFaults(seen, wireCase)
        : await exchangeFaults(seen, wireCase)
  if (faults.length > 0) faults.push(`the client got ${show(client.received())}`)
  return faults
}

type Seen = {
  readonly upstream: WireUpstream
  readonly proxy: WireProxy
  readonly client: WireClient
  readonly peers: WirePeers
  readonly answers: () => ReadAll
}

function allBytes({ sends }: WireCase): string {
  if (typeof sends === 'string') return sends
  return sends.filter((step) => typeof step === 'string').join('')
}

async function send(
  { client, upstream, proxy, peers }: Seen,
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
        const other = await peers.connect(proxy.url)
        await isServed(other, 0)
        other.leave()
      } else if (until === 'interrupted') await upstream.interrupt()
      else if (until === 'connected again') await upstream.connectedAgain
      else await client.waitUntil(() => until.test(client.received()))
    }
  }
  client.resume()
}

async function exchangeFaults(seen: Seen, expected: Exchange): Promise<string[]> {
  const { client, upstream, proxy } = seen
  const { arrives, comesBack = [OK], connection } = expected
  if (comesBack === 'failure' || comesBack === 'bad gateway')
    await client.waitUntil(() => finals(seen).length > 0)
  else if (comesBack.some(({ cut }) => cut === true)) await client.waitUntil(client.isClosed)
  else await client.waitUntil(() => finals(seen).length >= comesBack.filter(isFinal).length)
  const answers = seen.answers()
  const usedConnections = upstream.usedConnections()
  const after = await afterFaults(seen, client.isMultiplexed ? 'stays' : connection)

  const requestRules: Rules = {
    free: freeInRequests(seen),
    proxyName: proxy.name,
  }
  const faults: string[] = []
  if (arrives === 'no whole request') {
    if (upstream.requests.length > 0) faults.push('a whole request arrived')
    if (upstream.leftOvers().some(({ state }) => state === 'malformed'))
      faults.push('what arrived is no HTTP')
  } else {
    // Pipelined requests may take several connections, in any order.
    const inOrder = upstream.requests.toSorted((a, b) => compare(a.line, b.line))
    const wanted = arrives.toSorted((a, b) => compare(a.line, b.line))
    faults.push(
      ...compareMessages('arrived', wanted, inOrder, requestRules),
      ...leftOverFaults(upstream),
    )
  }
  faults.push(...authorizationFaults(seen))
  if (upstream.isOvertaken()) faults.push('a request arrived before the one before it was answered')

  const responseRules: Rules = { free: FREE_IN_RESPONSES, proxyName: proxy.name }
  const { upstreamConnections = usedConnections } = expected
  if (usedConnections !== upstreamConnections) {
    faults.push(`arrived on ${usedConnections} connections instead of ${upstreamConnections}`)
  }
  if (comesBack === 'failure') faults.push(...wholeAnswerFaults(answers))
  else if (comesBack === 'bad gateway') faults.push(...badGatewayFaults(answers))
  else {
    const got = answers.rest === 'nothing' ? [] : [answers.rest]
    faults.push(...compareMessages('came back', comesBack, answers.whole, responseRules, got))
  }
  return [...faults, ...after]
}

/** What a broken message may lead to: never an answer that looks whole. */
function wholeAnswerFaults({ whole, rest }: ReadAll): string[] {
  const answer = whole.find(isFinal)
  if (answer !== undefined) {
    return [400, 502].includes(statusOf(answer)) ? [] : ['a whole answer came back']
  }
  return rest !== 'nothing' && rest.state === 'malformed'
    ? [`what came back is no HTTP: ${rest.why}`]
    : []
}

function badGatewayFaults({ whole, rest }: ReadAll): string[] {
  const [answer, ...others] = whole.filter(isFinal)
  const isBadGateway = answer !== undefined && statusOf(answer) === 502 && answer.body !== ''
  return isBadGateway && others.length === 0 && rest === 'nothing'
    ? []
    : ['it is not a 502 with a body']
}

async function refusalFaults(seen: Seen, { refused, connection }: Refusal): Promise<string[]> {
  const { client, upstream } = seen
  await client.waitUntil(() => finals(seen).length > 0)
  const answers = seen.answers()
  const wasReset = client.wasReset()
  const byDefault = client.isMultiplexed ? 'stays' : 'closes'
  const faults = await afterFaults(seen, connection ?? byDefault)
  const statuses = answers.whole.map(statusOf)
  if (wasReset) return [...faults, ...anyByteFaults(upstream)]
  if (statuses.length !== 1 || !refused.includes(statuses[0] ?? 0)) {
    faults.push(`expected one response of ${refused.join(' or ')}, got [${statuses.join(', ')}]`)
  }
  if (answers.rest !== 'nothing') faults.push('data follows the response')
  return [...faults, ...anyByteFaults(upstream)]
}

async function doubtFaults(seen: Seen, { atMost, about = 'the end' }: Doubt): Promise<string[]> {
  const { client, upstream, proxy } = seen
  await client.waitUntil(() => finals(seen).length > 0)
  const [answer] = finals(seen)
  const isRefused = answer === undefined ? client.isClosed() : statusOf(answer) >= 400
  const wasReset = client.wasReset()
  const mustClose = isRefused && about !== 'the meaning' && !client.isMultiplexed
  const faults = await afterFaults(seen, mustClose ? 'closes' : undefined)
  const { whole, rest } = seen.answers()
  if (rest !== 'nothing') faults.push('data follows the response')
  if (isRefused) {
    if (about === 'the body') return [...faults, ...arrivalFaults(upstream)]
    if (answer === undefined && !wasReset) faults.push('it was rejected without a response')
    return [...faults, ...anyByteFaults(upstream)]
  }
  if (atMost === undefined) return [...faults, 'it was not rejected', ...arrivalFaults(upstream)]
  // What is behind the request may still be refused.
  if (whole.filter((message) => isFinal(message) && statusOf(message) < 400).length > 1) {
    faults.push('more than one response came back')
  }
  const rules: Rules = { free: freeInRequests(seen), proxyName: proxy.name }
  return [
    ...faults,
    ...compareMessages('arrived', [atMost], upstream.requests, rules),
    ...leftOverFaults(upstream),
    ...authorizationFaults(seen),
  ]
}

/**
 * What the client's connection is good for now, and whether the proxy still answers others. Its
 * answer to a probe comes when all that it had begun to send before has arrived as well; and if a
 * part of one request was taken for another, then the probe is what gets the wrong answer.
 */
async function afterFaults(
  seen: Seen,
  connection: Exchange['connection'] | Refusal['connection'],
): Promise<string[]> {
  const { client, proxy, peers } = seen
  const faults: string[] = []
  if (connection === 'closes' && !(await client.waitUntil(client.isClosed))) {
    faults.push('the connection stayed open')
  }
  if (connection === 'stays') {
    const before = client.received().length
    if (!(await isServed(client, before))) faults.push('the connection is of no use any more')
  }
  const other = await peers.connect(proxy.url)
  if (!(await isServed(other, 0))) faults.push(`another client got ${show(other.received())}`)
  other.leave()
  client.leave()
  return faults
}

async function isServed(client: WireClient, from: number): Promise<boolean> {
  const answers = (): ReadAll =>
    readMessages(client.received().slice(from), { of: 'responses', isEnded: client.isClosed() })
  client.startOver()
  await client.write(head(`GET ${PROBE_TARGET} HTTP/1.1`, 'Host: localhost'))
  await client.waitUntil(() => answers().whole.length > 0)
  const { whole, rest } = answers()
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
    .map((reading) => `behind the requests arrived: ${show(JSON.stringify(reading))}`)
}

function freeInRequests({ proxy, peers }: Seen): ReadonlySet<string> {
  return new Set([
    ...FREE_IN_REQUESTS,
    ...(proxy.authorization === undefined ? [] : ['authorization']),
    // RFC 9113 section 8.2.2: a proxy may say that it accepts trailer fields.
    ...(peers.upstreamProtocol === 'HTTP/2' ? ['te'] : []),
  ])
}

function authorizationFaults({ proxy, upstream }: Seen): string[] {
  if (proxy.authorization === undefined) return []
  return upstream.requests
    .map(({ fields }) => valuesOf(fields, 'authorization'))
    .filter((values) => values.length !== 1 || values[0] !== proxy.authorization)
    .map((values) => `arrived with Authorization ${JSON.stringify(values)}`)
}

function finals(seen: Seen): readonly ReadMessage[] {
  return seen.answers().whole.filter(isFinal)
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
