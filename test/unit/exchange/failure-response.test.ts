import { expect, test } from 'vitest'
import { FAILURE_CODES, FAILURES, SidecarError } from '../../../src/errors.ts'
import {
  problemDocument,
  sendFailure,
  sendOptions,
} from '../../../src/exchange/failure-response.ts'
import { fieldValues } from '../../../src/http/field-lines.ts'
import type { WrittenHead } from '../../../src/http/response-writer.ts'
import { collectingWriter } from '../../helpers/upstream-request.ts'

const CONTEXT = { route: 'orders', requestId: 'request-7' }

/** The response that a failure produces. */
function responseTo(error: SidecarError) {
  const heads: { head: WrittenHead; fields: readonly string[] }[] = []
  let body = ''
  const writer = collectingWriter((chunk) => void (body += chunk.toString()), {
    begin: (head, fields) => void heads.push({ head, fields }),
  })
  const status = sendFailure(writer, error, CONTEXT)
  const [sent] = heads
  return { status, head: sent?.head, fields: sent?.fields ?? [], body }
}

test.for(FAILURE_CODES)('%s is sent as a problem document with its status', (code) => {
  const { status, head, fields, body } = responseTo(new SidecarError(code, 'Cannot do it'))
  expect(status).toBe(FAILURES[code].status)
  expect(head?.status).toBe(status)
  expect(head?.length).toBe(Buffer.byteLength(body))
  expect(fieldValues(fields, 'content-type')).toEqual(['application/problem+json'])
  expect(fieldValues(fields, 'cache-control')).toEqual(['no-store'])
  expect(fieldValues(fields, 'content-length')).toEqual([String(Buffer.byteLength(body))])
  expect(fieldValues(fields, 'proxy-status')).toEqual([
    `token-sidecar; error=${FAILURES[code].proxyError}; details="${code}"`,
  ])
  expect(JSON.parse(body)).toMatchObject({ code, status, detail: 'Cannot do it', ...CONTEXT })
})

test('a problem document has no members without a value', () => {
  const error = new SidecarError('route_not_found', 'Cannot route the request: no route matches')
  const document = problemDocument(error, { route: undefined, requestId: undefined })
  expect(Object.keys(JSON.parse(document))).toEqual(['type', 'title', 'status', 'detail', 'code'])
})

test.for([
  { retryAfterMs: undefined, expected: [] },
  { retryAfterMs: 0, expected: ['1'] },
  { retryAfterMs: 1_001, expected: ['2'] },
])('retryAfterMs $retryAfterMs is sent as Retry-After $expected', ({ retryAfterMs, expected }) => {
  const options = retryAfterMs === undefined ? {} : { retryAfterMs }
  const error = new SidecarError('token_unavailable', 'Cannot get a token', options)
  expect(fieldValues(responseTo(error).fields, 'retry-after')).toEqual(expected)
})

test('a response that has begun is aborted with the failure', () => {
  const error = new SidecarError('upstream_reset', 'Cannot read the response')
  const resets: SidecarError[] = []
  const written: Buffer[] = []
  const writer = collectingWriter((chunk) => void written.push(chunk), {
    hasBegun: () => true,
    reset: (reason) => void resets.push(reason),
  })
  expect(sendFailure(writer, error, CONTEXT)).toBe(FAILURES.upstream_reset.status)
  expect(resets).toEqual([error])
  expect(written).toEqual([])
})

test('the response to OPTIONS with Max-Forwards: 0 has Allow and no body', async () => {
  const fields: string[] = []
  const written: Buffer[] = []
  const writer = collectingWriter((chunk) => void written.push(chunk), {
    begin: (_, sent) => void fields.push(...sent),
  })
  expect(await sendOptions(writer)).toBe(204)
  expect(fields[0]).toBe('Allow')
  expect(fields[1]?.split(', ')).not.toContain('TRACE')
  expect(written).toEqual([])
})
