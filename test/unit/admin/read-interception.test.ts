import { expect, test } from 'vitest'
import { interceptionStatus } from '../../../src/admin/read-interception.ts'
import { createInterceptionRecord } from '../../../src/observe/interception-record.ts'

const HOST = 'api.example.com'
const FAILURE = { outcome: 'unknown_ca' as const, reason: 'not trusted', advice: 'trust it' }
const MINUTE_MS = 60_000

function statusAfter(
  events: (record: ReturnType<typeof createInterceptionRecord>) => void,
  nowMs: number,
) {
  const record = createInterceptionRecord()
  record.add(HOST)
  events(record)
  const [status] = interceptionStatus(record.list(), new Set([HOST]), nowMs)
  return status
}

test('a host without handshakes has counts of 0 and no warning', () => {
  const status = statusAfter(() => {}, 0)
  expect(status).toMatchObject({
    host: HOST,
    warning: undefined,
    lastSuccessAt: undefined,
    lastFailure: undefined,
  })
  expect(new Set(Object.values(status?.handshakes ?? {}))).toEqual(new Set([0]))
})

test('the last failure of a host is in the status with its advice, and is a warning', () => {
  const status = statusAfter((record) => {
    record.succeeded(HOST, 0)
    record.failed(HOST, FAILURE, MINUTE_MS)
    record.failed(HOST, FAILURE, 2 * MINUTE_MS)
  }, 3 * MINUTE_MS)
  expect(status).toMatchObject({
    handshakes: { ok: 1, unknown_ca: 2 },
    lastSuccessAt: '1970-01-01T00:00:00.000Z',
    lastFailure: { ...FAILURE, at: '1970-01-01T00:02:00.000Z' },
    warning: `host "${HOST}": the last TLS handshake with an application failed: not trusted`,
  })
})

test('a failed handshake is no warning after a successful one, or after ten minutes', () => {
  const failed = statusAfter((record) => record.failed(HOST, FAILURE, 0), 11 * MINUTE_MS)
  expect(failed?.warning).toBeUndefined()
  const recovered = statusAfter((record) => {
    record.failed(HOST, FAILURE, 0)
    record.succeeded(HOST, 1)
  }, 2)
  expect(recovered?.warning).toBeUndefined()
})

test('a host that no route names any more is not in the status', () => {
  const record = createInterceptionRecord()
  record.failed(HOST, FAILURE, 0)
  expect(interceptionStatus(record.list(), new Set(['other.example.com']), 0)).toEqual([])
})
