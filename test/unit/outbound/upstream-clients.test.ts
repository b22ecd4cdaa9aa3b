import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { openUpstream, type Upstream } from '../../../src/outbound/upstream.ts'
import { portOf, startListening } from '../../helpers/servers.ts'
import { openUndiciUpstream } from '../../helpers/undici-upstream.ts'
import { bodyFrom, collectingWriter, upstreamRequest } from '../../helpers/upstream-request.ts'

describe.for([
  { client: 'outbound', open: openUpstream },
  { client: 'undici', open: openUndiciUpstream },
])('the HTTP client "$client"', ({ open }) => {
  /** An upstream that responds with the method and the body of the request. */
  async function start(): Promise<Upstream> {
    const server = createServer((req, res) => {
      void req.toArray().then((parts) => res.end(`${req.method} ${parts.join('')}`))
    })
    await startListening(server)
    const options = {
      origin: `http://127.0.0.1:${portOf(server)}`,
      connectTimeoutMs: 10_000,
      maxConnections: 1,
      maxHeaderBytes: 16_384,
    }
    const upstream = open(options, {}, systemClock)
    onTestFinished(upstream.close)
    return upstream
  }

  test('streams the body of a response', async () => {
    expect(await bodyFrom(await start())).toBe('GET ')
  })

  test('completes a response to HEAD', async () => {
    const { roundTrip } = await start()
    const request = upstreamRequest({ method: 'HEAD' })
    const response = await roundTrip(request, new AbortController().signal)
    await response.pipeTo(collectingWriter(() => expect.unreachable()))
    expect(response).toMatchObject({ status: 200 })
  })

  test('streams the body of a request', async () => {
    const { roundTrip } = await start()
    const body = {
      stream: Readable.from([Buffer.from('one '), Buffer.from('two')]),
      isKept: () => false,
      whole: async () => await Promise.resolve(undefined),
      isComplete: () => false,
      receivedBytes: () => 0,
      isPaused: () => false,
      trailers: () => [],
    }
    const response = await roundTrip(
      upstreamRequest({ method: 'POST', body }),
      new AbortController().signal,
    )
    let received = ''
    await response.pipeTo(collectingWriter((chunk) => void (received += chunk.toString())))
    expect(received).toBe('POST one two')
  })

  test('keeps the connection after a response that is discarded', async () => {
    const upstream = await start()
    const signal = new AbortController().signal
    const rejected = await upstream.roundTrip(upstreamRequest(), signal)
    rejected.discard()
    expect(await bodyFrom(upstream)).toBe('GET ')
    expect(upstream.load()).toMatchObject({ connected: 1, queued: 0 })
  })

  test('rejects with the reason of an aborted signal while a request is queued', async () => {
    const upstream = await start()
    const first = await upstream.roundTrip(upstreamRequest(), new AbortController().signal)
    const abort = new AbortController()
    const queued = upstream.roundTrip(upstreamRequest(), abort.signal)
    const reason = new Error('the client left')
    abort.abort(reason)
    await expect(queued).rejects.toMatchObject({ cause: reason })
    first.discard()
  })
})
