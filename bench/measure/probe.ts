import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:http2'
import { buffer } from 'node:stream/consumers'
import * as z from 'zod'
import type { Running } from '../contenders/contender.ts'
import { RESPONSES } from '../stage/responses.ts'
import { digestOf, receivedSchema } from '../stage/describe-request.ts'
import { tokenLengths } from '../stage/upstream.ts'
import { probePath, requestBody, requestHeaders, requestPath, type Workload } from './workload.ts'

export type ProbeOptions = {
  readonly running: Running
  readonly workload: Workload
  readonly token: string
}

const DEADLINE_MS = 15_000

/**
 * Checks that the contender forwards correctly: first the request as received by the upstream, then
 * every byte of the measured response. Returns a description of the fault, if there is one.
 */
export async function probe(options: ProbeOptions): Promise<string | undefined> {
  const { running, workload, token } = options
  const probed = await send(running, workload, probePath(workload))
  if (probed.status !== 200) return `the probe received status ${probed.status}`
  const description = receivedSchema.safeParse(parseJson(probed.body.toString()))
  if (!description.success) return 'the request did not reach the upstream'
  const received = description.data
  const [authorization = '', ...duplicates] = received.authorization
  if (duplicates.length > 0) return 'the upstream received more than one Authorization'
  if (!isBearer(authorization, token))
    return 'the upstream received no bearer token of the expected length'
  if (received.method !== workload.method)
    return `the upstream received the method ${received.method}`
  if (received.bodyDigest !== digestOf(requestBody(workload))) {
    return `the upstream received another body, of ${received.bodyBytes} bytes`
  }
  const missing = requestHeaders(workload).find(
    ([name]) => !received.fields.includes(name.toLowerCase()),
  )
  if (missing !== undefined) return `the upstream did not receive the header "${missing[0]}"`

  const response = await send(running, workload, requestPath(workload))
  if (response.status !== 200) return `the response has status ${response.status}`
  if (!response.body.equals(RESPONSES[workload.response].body)) {
    return `the response has another body, of ${response.body.length} bytes`
  }
  return undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isBearer(authorization: string, token: string): boolean {
  const [scheme, value = ''] = authorization.split(' ')
  const { min, max } = tokenLengths(token)
  return scheme === 'Bearer' && value.length >= min && value.length <= max
}

async function send({ origin, authorization }: Running, workload: Workload, path: string) {
  const headers = Object.fromEntries(requestHeaders(workload))
  if (authorization !== undefined) headers['Authorization'] = authorization
  if (workload.http2 === 'both') return await sendHttp2(origin, path, workload, headers)
  const req = request(origin + path, {
    method: workload.method,
    headers,
    agent: false,
    signal: AbortSignal.timeout(DEADLINE_MS),
  })
  const received: Promise<IncomingMessage[]> = once(req, 'response')
  if (workload.method === 'POST') req.end(requestBody(workload))
  else req.end()
  const [response] = await received
  if (response === undefined) throw new TypeError('expected a response')
  return { status: response.statusCode, body: await buffer(response) }
}

async function sendHttp2(
  origin: string,
  path: string,
  workload: Workload,
  headers: Readonly<Record<string, string>>,
) {
  const session = connect(origin)
  try {
    const stream = session.request(
      { ':method': workload.method, ':path': path, ...headers },
      { endStream: workload.method === 'GET', signal: AbortSignal.timeout(DEADLINE_MS) },
    )
    if (workload.method === 'POST') stream.end(requestBody(workload))
    const [head] = z
      .tuple([z.object({ ':status': z.number() })])
      .rest(z.unknown())
      .parse(await once(stream, 'response'))
    return { status: head[':status'], body: await buffer(stream) }
  } finally {
    session.destroy()
  }
}
