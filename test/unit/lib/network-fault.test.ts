import { once } from 'node:events'
import { connect } from 'node:net'
import { errors } from 'undici'
import { expect, test } from 'vitest'
import { networkFault } from '../../../src/lib/network-fault.ts'

function withCode(code: string, message = 'a message of the system'): Error {
  return Object.assign(new Error(message), { code })
}

test.for([
  ['ECONNREFUSED', 'unreachable'],
  ['ENOTFOUND', 'unreachable'],
  ['EAI_AGAIN', 'unreachable'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EADDRNOTAVAIL', 'unreachable'],
  ['ETIMEDOUT', 'timeout'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
  ['CERT_HAS_EXPIRED', 'tls'],
  ['CERT_NOT_YET_VALID', 'tls'],
  ['CERT_REVOKED', 'tls'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'tls'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'tls'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls'],
  ['ERR_TLS_HANDSHAKE_TIMEOUT', 'tls'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls'],
  ['EPROTO', 'tls'],
] as const)('the error code %s is a network fault of the kind %s', ([code, kind]) => {
  expect(networkFault(withCode(code))?.kind).toBe(kind)
})

test.for([
  [new errors.ConnectTimeoutError(), 'timeout'],
  [new errors.HeadersTimeoutError(), 'timeout'],
  [new errors.BodyTimeoutError(), 'timeout'],
  [new errors.SocketError('other side closed'), 'reset'],
  [new errors.HeadersOverflowError(), 'protocol'],
  [new errors.ResponseExceededMaxSizeError(), 'protocol'],
  [new errors.ResponseContentLengthMismatchError(), 'protocol'],
  [new errors.HTTPParserError('Invalid header token'), 'protocol'],
] as const)('the undici error %s is a network fault of the kind %s', ([error, kind]) => {
  expect(networkFault(error)?.kind).toBe(kind)
})

test('a refused connection is reported as such', async () => {
  const socket = connect(1, '127.0.0.1')
  const [error]: unknown[] = await once(socket, 'error').catch((cause: unknown) => [cause])
  expect(networkFault(error)).toEqual({
    kind: 'unreachable',
    reason: 'connection refused',
  })
})

test('a network fault is found in causes and aggregated errors', () => {
  const refused = withCode('ECONNREFUSED')
  const fault = { kind: 'unreachable', reason: 'connection refused' }
  expect(networkFault(new TypeError('fetch failed', { cause: refused }))).toEqual(fault)
  expect(networkFault(new AggregateError([refused, withCode('ENETUNREACH')]))).toEqual(fault)
  expect(
    networkFault(
      new Error('a', { cause: new AggregateError([new Error('b', { cause: refused })]) }),
    ),
  ).toEqual(fault)
})

test.for([
  [undefined],
  ['ECONNREFUSED'],
  [{ code: 'ECONNREFUSED' }],
  [new Error('something else')],
  [withCode('ERR_INVALID_ARG_TYPE')],
  [new AggregateError([])],
  [Object.assign(new Error('a number'), { code: 7 })],
] as const)('%o is not a network fault', ([error]) => {
  expect(networkFault(error)).toBeUndefined()
})

test('an error that is its own cause is not a network fault', () => {
  const error = new Error('round')
  error.cause = error
  expect(networkFault(error)).toBeUndefined()
})

test('no reason contains the message of the error, which may contain data', () => {
  const codes = ['ECONNREFUSED', 'ERR_SSL_SOMETHING', 'UND_ERR_SOCKET', 'CERT_HAS_EXPIRED']
  for (const code of codes) {
    expect(networkFault(withCode(code, 'canary'))?.reason).not.toContain('canary')
  }
})
