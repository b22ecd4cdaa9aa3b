import { expect, test } from 'vitest'
import { FAILURE_CODES, FAILURES, SidecarError } from '../../../src/errors.ts'
import { sendFailure } from '../../../src/exchange/failure-response.ts'
import {
  authorizationStatus,
  grpcFailureFields,
  grpcStatusOf,
  observeGrpcStatus,
} from '../../../src/exchange/grpc.ts'
import { fieldValues } from '../../../src/http/field-lines.ts'
import { collectingWriter } from '../../helpers/upstream-request.ts'

test.for([
  { value: '0', status: 0 },
  { value: '16', status: 16 },
  { value: '17', status: 2 },
  { value: 'x', status: 2 },
  { value: '', status: 2 },
])('the grpc-status "$value" is counted as $status', ({ value, status }) => {
  expect(grpcStatusOf(['Grpc-Status', value])).toBe(status)
})

test('a section without grpc-status has no status', () => {
  expect(grpcStatusOf(['content-type', 'application/grpc'])).toBeUndefined()
})

test('only UNAUTHENTICATED and PERMISSION_DENIED mean that a call was not authorized', () => {
  const statuses = Array.from({ length: 17 }, (_, status) => authorizationStatus(status))
  expect(statuses.map((status, code) => [code, status]).filter(([, status]) => status)).toEqual([
    [7, 403],
    [16, 401],
  ])
})

/** The statuses that are reported for a response with this head and this trailer section. */
async function observed(status: number, fields: string[], trailers: string[]) {
  const reported: (number | undefined)[] = []
  const ended: (readonly string[])[] = []
  const writer = observeGrpcStatus(
    { status, fields },
    collectingWriter(() => {}, { end: async (sent) => void ended.push(sent) }),
    (grpcStatus) => reported.push(grpcStatus),
  )
  const inHead = [...reported]
  await writer.end(trailers)
  return { inHead, reported, ended }
}

test('the status of a trailers-only response is reported with its head', async () => {
  expect(await observed(200, ['grpc-status', '16'], [])).toEqual({
    inHead: [16],
    reported: [16],
    ended: [[]],
  })
})

test('the status in the trailer section is reported, and the section is sent on', async () => {
  const trailers = ['grpc-status', '0', 'x-cost', '3']
  expect(await observed(200, [], trailers)).toEqual({
    inHead: [],
    reported: [0],
    ended: [trailers],
  })
})

test('a response of HTTP that is no gRPC response is reported without a status', async () => {
  expect(await observed(503, [], [])).toEqual({
    inHead: [undefined],
    reported: [undefined],
    ended: [[]],
  })
})

test('a failure is a trailers-only response with the title and the detail', () => {
  const failure = new SidecarError('token_unavailable', 'Cannot get a token: 100 % "down", naïve')
  const sent: unknown[] = []
  const status = sendFailure(
    collectingWriter((chunk) => sent.push(chunk), {
      begin: (head, fields) => sent.push(head.status, fields),
      end: async (trailers) => void sent.push(trailers),
    }),
    failure,
    { route: undefined, requestId: undefined, isGrpc: true },
  )
  expect(status).toBe(200)
  expect(sent).toEqual([
    200,
    [
      'content-type',
      'application/grpc',
      'grpc-status',
      '14',
      'grpc-message',
      'No access token is available: Cannot get a token: 100 %25 "down", na%C3%AFve',
      'proxy-status',
      'token-sidecar; error=proxy_internal_error; details="token_unavailable"',
    ],
    [],
  ])
})

test.for(FAILURE_CODES)('%s has a status of gRPC other than OK', (code) => {
  const { grpcStatus } = FAILURES[code]
  expect(fieldValues(grpcFailureFields(new SidecarError(code, 'x')), 'grpc-status')).toEqual([
    String(grpcStatus),
  ])
  expect(grpcStatus).toBeGreaterThan(0)
  expect(grpcStatus).toBeLessThanOrEqual(16)
})
