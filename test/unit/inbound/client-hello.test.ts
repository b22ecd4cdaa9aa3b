import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_HELLO_BYTES, readClientHello } from '../../../src/inbound/client-hello.ts'
import { handshakeRecords, helloMessage, serverNameList } from '../../helpers/client-hello.ts'

const NAME = 'api.partner.example'
const RECORDED = ['curl-openssl', 'openssl', 'python', 'java', 'node', 'go'] as const

const recorded = (client: string): Buffer =>
  readFileSync(`test/fixtures/client-hellos/${client}.bin`)

test.for([
  ['curl-openssl', ['h2', 'http/1.1']],
  ['openssl', undefined],
  ['python', undefined],
  ['java', ['h2', 'http/1.1']],
  ['node', ['h2', 'http/1.1']],
  ['go', ['h2', 'http/1.1']],
] as const)('reads the ClientHello of %s', ([client, protocols]) => {
  expect(readClientHello(recorded(client))).toEqual({
    state: 'complete',
    hello: { serverName: NAME, protocols, hasEncryptedHello: false },
  })
})

test('reads a ClientHello without a server name', () => {
  expect(readClientHello(recorded('openssl-without-name'))).toEqual({
    state: 'complete',
    hello: { serverName: undefined, protocols: undefined, hasEncryptedHello: false },
  })
})

test.for(RECORDED)('a ClientHello of %s is incomplete until its last byte', (client) => {
  const bytes = recorded(client)
  for (let length = 0; length < bytes.length; length += 1) {
    expect(readClientHello(bytes.subarray(0, length))).toEqual({ state: 'incomplete' })
  }
})

test.for([1, 2, 3, 5, 100])('reads a ClientHello in records of %i bytes', (recordBytes) => {
  const records = handshakeRecords(helloMessage({ serverName: NAME }), recordBytes)
  expect(readClientHello(records)).toMatchObject({ hello: { serverName: NAME } })
})

test('ignores what follows the ClientHello', () => {
  const earlyData = Buffer.from([23, 3, 3, 0, 1, 0])
  const bytes = Buffer.concat([recorded('go'), earlyData, Buffer.from('anything')])
  expect(readClientHello(bytes)).toMatchObject({ hello: { serverName: NAME } })
})

test.for([
  ['API.Partner.Example', NAME],
  ['api.partner.example.', NAME],
  ['under_score.example', 'under_score.example'],
] as const)('reads the server name %s as %s', ([serverName, read]) => {
  expect(readClientHello(handshakeRecords(helloMessage({ serverName })))).toMatchObject({
    hello: { serverName: read },
  })
})

test('reports the extension of Encrypted Client Hello', () => {
  const message = helloMessage({ serverName: NAME, extensions: [[0xfe0d, Buffer.from([0, 1])]] })
  expect(readClientHello(handshakeRecords(message))).toMatchObject({
    hello: { serverName: NAME, hasEncryptedHello: true },
  })
})

test.for([
  ['plain HTTP', 'GET / HTTP/1.1\r\n'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n'],
  ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['an alert', '\x15\x03\x01\0\x02'],
  ['a handshake record of another major version', '\x16\x02\0\0\x10'],
  ['a ClientHello of SSL 2.0', '\x80\x2e\x01\x03\x01'],
  ['zeros', '\0\0\0\0\0'],
] as const)('%s is not TLS', ([, text]) => {
  const bytes = Buffer.from(text, 'latin1')
  const outcome = { state: 'invalid', reason: 'not_tls' }
  expect(readClientHello(bytes)).toEqual(outcome)
  // As soon as two bytes have arrived.
  expect(readClientHello(bytes.subarray(0, 2))).toEqual(outcome)
})

const hello = helloMessage({ serverName: NAME })

/** The record with other bytes from `at` on. */
function altered(at: number, ...octets: number[]): Buffer {
  const bytes = handshakeRecords(hello)
  bytes.set(octets, at)
  return bytes
}

test.for([
  ['an empty record', altered(3, 0, 0)],
  ['a record that is longer than TLS allows', altered(3, 0x40, 1)],
  ['another message than ClientHello', altered(5, 2)],
  ['an extension list that is shorter than the message', altered(5 + 4 + 34 + 33 + 6 + 2, 0, 4)],
  ['a session ID that exceeds the message', altered(5 + 4 + 34, 255)],
  [
    'another record type before the message is complete',
    Buffer.concat([handshakeRecords(hello.subarray(0, 20)), Buffer.from([23, 3, 3, 0, 1, 0])]),
  ],
  [
    'two server name extensions',
    handshakeRecords(
      helloMessage({ serverName: NAME, extensions: [[0, serverNameList('other.example')]] }),
    ),
  ],
  ['a server name with NUL', handshakeRecords(helloMessage({ serverName: 'a\0.example' }))],
  ['an empty server name', handshakeRecords(helloMessage({ serverName: '' }))],
  ['an empty ALPN list', handshakeRecords(helloMessage({ protocols: [] }))],
  [
    'a server name list with bytes after the name',
    handshakeRecords(
      helloMessage({
        extensions: [[0, Buffer.concat([serverNameList(NAME), Buffer.from([0])])]],
      }),
    ),
  ],
] as const)('%s makes a ClientHello malformed', ([, bytes]) => {
  expect(readClientHello(bytes)).toEqual({ state: 'invalid', reason: 'malformed' })
})

test('a ClientHello that announces more than the limit is too large', () => {
  const message = Buffer.from([1, 0, MAX_HELLO_BYTES / 256, 0])
  expect(readClientHello(handshakeRecords(message))).toEqual({
    state: 'invalid',
    reason: 'too_large',
  })
})

test('a ClientHello in so many records that they exceed the limit is too large', () => {
  const message = helloMessage({ extensions: [[99, Buffer.alloc(MAX_HELLO_BYTES / 2)]] })
  const bytes = handshakeRecords(message, 1).subarray(0, MAX_HELLO_BYTES)
  expect(readClientHello(bytes)).toEqual({ state: 'invalid', reason: 'too_large' })
})

test('never throws, whatever bytes of a ClientHello are changed', () => {
  const mutation = fc.record({
    client: fc.constantFrom(...RECORDED),
    changes: fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { minLength: 1, maxLength: 8 }),
    length: fc.nat(2_000),
  })
  fc.assert(
    fc.property(mutation, ({ client, changes, length }) => {
      const bytes = Buffer.from(recorded(client))
      for (const [at, octet] of changes) bytes[at % bytes.length] = octet
      const whole = readClientHello(bytes)
      expect(['incomplete', 'complete', 'invalid']).toContain(whole.state)
      // The beginning of it does not lead to another outcome.
      const part = readClientHello(bytes.subarray(0, length))
      expect([whole, { state: 'incomplete' }]).toContainEqual(part)
    }),
    { numRuns: 2_000 },
  )
})

test('never throws for random bytes that begin like a handshake record', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (random) => {
      const { state } = readClientHello(
        Buffer.concat([Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 0xfc]), random]),
      )
      expect(['incomplete', 'complete', 'invalid']).toContain(state)
    }),
    { numRuns: 2_000 },
  )
})
