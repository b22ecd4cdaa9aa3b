import { once } from 'node:events'
import { type ClientHttp2Session, connect, type ServerHttp2Stream } from 'node:http2'
import { expect, onTestFinished, test } from 'vitest'
import { renewStreamTables } from '../../../src/lib/renew-stream-tables.ts'
import { startHttp2Server } from '../../helpers/http2-upstream.ts'
import { until } from '../../helpers/wait.ts'

/** The Map and the Set of open streams in the private state of a session. */
function tablesOf(session: ClientHttp2Session): { streams: unknown; pendingStreams: unknown } {
  const symbol = Object.getOwnPropertySymbols(session).find(
    ({ description }) => description === 'state',
  )
  if (symbol === undefined) throw new Error('expected a property "state"')
  return { ...Reflect.get(session, symbol) }
}

async function openSession(onStream: (stream: ServerHttp2Stream) => void) {
  const { origin } = await startHttp2Server(onStream)
  const session = connect(origin)
  onTestFinished(() => session.destroy())
  await once(session, 'connect')
  return session
}

test('the tables are replaced by copies after 64 streams, in this version of Node', async () => {
  const session = await openSession((stream) => stream.respond({}, { endStream: true }))
  const renew = renewStreamTables(session)
  const before = tablesOf(session)
  for (let i = 0; i < 63; i += 1) renew()
  expect(tablesOf(session).streams).toBe(before.streams)
  renew()
  const after = tablesOf(session)
  expect(after.streams).toBeInstanceOf(Map)
  expect(after.pendingStreams).toBeInstanceOf(Set)
  expect(after.streams).not.toBe(before.streams)
})

test('streams that were opened before their table was replaced receive their responses', async () => {
  const held: ServerHttp2Stream[] = []
  const session = await openSession((stream) => void held.push(stream))
  const renew = renewStreamTables(session)
  const responses = Array.from({ length: 70 }, async () => {
    const stream = session.request({})
    renew()
    const [headers] = await once(stream, 'response')
    return headers[':status']
  })
  await until(() => held.length === 70)
  for (const stream of held) stream.respond({ ':status': 204 }, { endStream: true })
  expect(new Set(await Promise.all(responses))).toEqual(new Set([204]))
})
