import { expect, test } from 'vitest'
import { parseH2loadOutput } from '../../../bench/load/h2load-output.ts'

function output({ time = '4.00s', failed = 0, status5xx = 0 } = {}): string {
  return `
finished in ${time}, 2151.50 req/s, 441.62KB/s
requests: 8606 total, 8638 started, 8606 done, ${8606 - failed} succeeded, ${failed} failed, 0 errored, 0 timeout
status codes: ${8606 - status5xx} 2xx, 0 3xx, 0 4xx, ${status5xx} 5xx
traffic: 1.73MB (1808890) total, 126.10KB (129129) headers (space savings 92.72%), 840.43KB (860600) data
`
}

test('requests and duration are parsed from the output of h2load', () => {
  expect(parseH2loadOutput(output())).toEqual({
    requests: 8606,
    seconds: 4,
    p50Ms: Number.NaN,
    p99Ms: Number.NaN,
  })
  expect(parseH2loadOutput(output({ time: '850.00ms' })).seconds).toBe(0.85)
})

test.for([{ failed: 3 }, { status5xx: 3 }])(
  'failed requests of h2load are a failure: %o',
  (given) => {
    expect(parseH2loadOutput(output(given)).failure).toMatch(/^3 requests/)
  },
)

test('truncated output of h2load is an error', () => {
  expect(() => parseH2loadOutput('finished in 4.00s')).toThrow('Cannot read the output of h2load')
})
