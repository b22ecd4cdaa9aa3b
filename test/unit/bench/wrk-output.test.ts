import { expect, test } from 'vitest'
import { parseWrkOutput } from '../../../bench/load/wrk-output.ts'

function outputOf(differs: Record<string, number>): string {
  const line = {
    requests: 41_459,
    micros: 4_005_571,
    p50: 3214,
    p99: 41_422,
    connect: 0,
    read: 0,
    write: 0,
    status: 0,
    timeout: 0,
    ...differs,
  }
  return `Running 4s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  41459 requests in 4.01s, 5.04MB read
Requests/sec:  10350.33

bench ${JSON.stringify(line)}
`
}

test('the counters of wrk are parsed from the last line of its output', () => {
  expect(parseWrkOutput(outputOf({}))).toEqual({
    requests: 41_459,
    seconds: 4.005_571,
    p50Ms: 3.214,
    p99Ms: 41.422,
  })
})

test.for([
  { error: { status: 3 }, failure: '3 responses with a status other than 2xx or 3xx' },
  { error: { connect: 1 }, failure: '1 connections refused' },
  { error: { read: 2 }, failure: '2 connections reset while reading' },
  { error: { write: 4 }, failure: '4 connections reset while writing' },
  { error: { timeout: 5 }, failure: '5 requests that took longer than 10 s' },
])('the wrk error $error is a failure', ({ error, failure }) => {
  expect(parseWrkOutput(outputOf({ ...error })).failure).toBe(failure)
})

test('wrk output without the last line is an error', () => {
  expect(() => parseWrkOutput('unable to connect to 127.0.0.1:1 Connection refused')).toThrow(
    'Cannot read the output of wrk: the last line is missing',
  )
})
