import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import {
  type Connection,
  createConnection,
  type RequestControl,
  type ResponseHandler,
} from '../../../src/outbound/connection.ts'
import { startRawUpstream } from '../../helpers/raw-http.ts'

const GET = { method: 'GET', path: '/', headers: [], body: null, upgrade: undefined }

type Event = 'onHead' | 'onData'

test.for<{ what: string; answer: string; at: Event; sees: string[] }>([
  {
    what: 'a response of nothing',
    answer: 'Content-Length: 0\r\n\r\n',
    at: 'onHead',
    sees: ['200', 'paused', 'end'],
  },
  {
    what: 'one that ends with the connection, and has nothing',
    answer: '\r\n',
    at: 'onHead',
    sees: ['200', 'paused', 'end'],
  },
  {
    what: 'one that ends with the connection',
    answer: '\r\nhello',
    at: 'onHead',
    sees: ['200', 'paused', 'hello', 'end'],
  },
  {
    what: 'the last of a body',
    answer: 'Content-Length: 5\r\n\r\nhello',
    at: 'onData',
    sees: ['200', 'hello', 'paused', 'end'],
  },
  {
    what: 'the last chunk',
    answer: 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    at: 'onData',
    sees: ['200', 'hello', 'paused', 'end'],
  },
])('an end of the connection behind $what waits until the pause is over', async (given) => {
  const { connection, socket } = await startConnection((peer) =>
    peer.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n${given.answer}`),
  )
  const { seen, handler, over } = watch(given.at)
  connection.send(GET, handler)
  // Node says so although the socket is paused, because nothing is left in it.
  await once(socket, 'end')
  expect(seen.events).not.toContain('end')
  seen.control?.resume()
  await over
  expect(seen.events).toEqual(given.sees)
})

test('an end within what is paused is a failure when the pause is over', async () => {
  const { connection, socket } = await startConnection((peer) =>
    peer.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello'),
  )
  const { seen, handler, over } = watch('onData')
  connection.send(GET, handler)
  await once(socket, 'end')
  seen.control?.resume()
  await over
  expect(seen.events).toEqual(['200', 'hello', 'paused', 'failure'])
})

test('a connection that ends while nothing runs is of no more use from that moment on', async () => {
  const { connection, socket, gone } = await startConnection((peer) => {
    peer.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    setImmediate(() => peer.end())
  })
  const { handler, over } = watch()
  connection.send(GET, handler)
  await over
  const wasGone = once(socket, 'end').then(() => gone())
  expect(await wasGone).toBe(true)
})

test('what a handler cannot bear costs its connection, and it is told', async () => {
  const { connection, socket } = await startConnection((peer) =>
    peer.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  )
  const { seen, handler, over } = watch()
  connection.send(GET, { ...handler, onHead: refuse })
  await over
  await nextTurn()
  expect(seen.events).toEqual(['failure'])
  expect(socket.destroyed).toBe(true)
})

function refuse(): never {
  throw new RangeError('too much')
}

/** A connection to a server that does one thing with the first that it hears. */
async function startConnection(respond: (peer: Socket) => unknown) {
  const { origin } = await startRawUpstream((_received, peer) => respond(peer))
  const { port } = new URL(origin)
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  let isGone = false
  const connection: Connection = createConnection(socket, {
    origin,
    host: 'localhost',
    maxHeaderBytes: 16_384,
    isForOne: false,
    onFree() {},
    onGone: () => void (isGone = true),
  })
  return { connection, socket, gone: () => isGone }
}

/** A handler that notes what it is told, and pauses at the first event of one kind. */
function watch(pauseAt?: Event) {
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const seen: { events: string[]; control: RequestControl | undefined } = {
    events: [],
    control: undefined,
  }
  const note = (event: string, kind?: Event): void => {
    seen.events.push(event)
    if (kind === undefined || kind !== pauseAt) return
    seen.control?.pause()
    seen.events.push('paused')
  }
  const handler: ResponseHandler = {
    onStart: (control) => void (seen.control = control),
    onHead: ({ status }) => note(String(status), 'onHead'),
    onData: (chunk) => note(chunk.toString('latin1'), 'onData'),
    onUpgrade: () => note('upgrade'),
    onEnd() {
      note('end')
      resolve()
    },
    onFailure() {
      note('failure')
      resolve()
    },
  }
  return { seen, handler, over }
}
