import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import { createInterception, type InterceptionOptions } from '../../../src/inbound/intercept.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createAuthority } from '../../helpers/certificates.ts'
import { portOf } from '../../helpers/servers.ts'
import { until } from '../../helpers/wait.ts'

const AUTHORITY = await createAuthority()
const DESTINATION = { host: 'api.test', port: 443, authority: 'api.test:443' }

function intercepting(options: Partial<InterceptionOptions> = {}) {
  const outcomes: string[] = []
  const interception = createInterception({
    issuer: {
      permits: () => true,
      async issue(host) {
        const { certificate, key } = await AUTHORITY.issue(host, [host])
        return { cert: certificate, key }
      },
    },
    routedHost: () => ({ name: '*.test', speaksHttp2: async () => await Promise.resolve(false) }),
    mode: 'intercepted',
    observer: {
      succeeded: (host) => outcomes.push(`${host} ok`),
      failed: (host, { outcome }) => outcomes.push(`${host} ${outcome}`),
    },
    timeoutMs: 10_000,
    clock: systemClock,
    ...options,
  })
  return { interception, outcomes }
}

/** A connection, as its server and its client see it. */
async function openPair(): Promise<{ accepted: Socket; client: Socket }> {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const connected = once(server, 'connection')
  const client = connect(portOf(server), '127.0.0.1')
  const [accepted]: Socket[] = await connected
  if (accepted === undefined) throw new Error('expected a connection')
  onTestFinished(() => {
    accepted.destroy()
    client.destroy()
  })
  return { accepted, client }
}

async function codeOf(prepared: Promise<unknown>): Promise<string | undefined> {
  const thrown: unknown = await prepared.then(
    () => undefined,
    (error: unknown) => error,
  )
  return thrown instanceof SidecarError ? thrown.code : String(thrown)
}

test('a host that the CA may not sign is refused before the handshake', async () => {
  const { interception } = intercepting({
    issuer: { permits: () => false, issue: () => Promise.reject(new Error('not to be called')) },
  })
  expect(await codeOf(interception.prepare(DESTINATION))).toBe('egress_denied')
})

test('a host whose certificate cannot be issued is refused before the handshake', async () => {
  const failure = new SidecarError('internal_error', 'Cannot issue a certificate')
  const { interception } = intercepting({
    issuer: { permits: () => true, issue: () => Promise.reject(failure) },
  })
  expect(await codeOf(interception.prepare(DESTINATION))).toBe('internal_error')
})

test('a renewed certificate is used for the next handshake', async () => {
  let issued = 0
  const { interception, outcomes } = intercepting({
    issuer: {
      permits: () => true,
      async issue(host) {
        issued += 1
        const { certificate, key } = await AUTHORITY.issue(`number ${issued}`, [host])
        return { cert: certificate, key }
      },
    },
  })
  const subjects: unknown[] = []
  for (let i = 0; i < 2; i += 1) {
    const { accepted, client } = await openPair()
    const prepared = await interception.prepare(DESTINATION)
    prepared.begin(accepted, ({ secure, onUsed }) => {
      onUsed()
      secure.end()
    })
    const socket = connectTls({
      socket: client,
      servername: 'api.test',
      ca: AUTHORITY.certificate,
    })
    await once(socket, 'secureConnect')
    subjects.push(socket.getPeerCertificate().subject.CN)
  }
  expect(subjects).toEqual(['number 1', 'number 2'])
  await until(() => outcomes.length === 2)
  expect(outcomes).toEqual(['*.test ok', '*.test ok'])
})

test('a client that closes its connection before the handshake is counted by the name of the route', async () => {
  const { interception, outcomes } = intercepting()
  const { accepted, client } = await openPair()
  const prepared = await interception.prepare(DESTINATION)
  prepared.begin(accepted, () => {})
  client.end()
  await once(accepted, 'close')
  expect(outcomes).toEqual(['*.test closed'])
})

test('a client that has left while the handshake was prepared is counted once, and nothing waits for it', async () => {
  const { interception, outcomes } = intercepting()
  const { accepted } = await openPair()
  accepted.destroy()
  await once(accepted, 'close')
  const prepared = await interception.prepare(DESTINATION)
  prepared.begin(accepted, () => {})()
  await until(() => outcomes.length > 0)
  expect(outcomes).toEqual(['*.test closed'])
})
