import { expect, test } from 'vitest'
import {
  DURATION_PATTERN,
  parseDurationMs,
  parseSizeBytes,
  SIZE_PATTERN,
} from '../../../src/config/units.ts'
import { faultsOf } from '../../helpers/problems.ts'

test.for([
  ['0s', 0],
  ['1ms', 1],
  ['500ms', 500],
  ['0.5ms', 1],
  ['30s', 30_000],
  ['1.5m', 90_000],
  ['0.1s', 100],
  ['1h', 3_600_000],
  ['007s', 7_000],
] as const)('the duration %s is %d ms', ([text, ms]) => {
  expect(text).toMatch(DURATION_PATTERN)
  expect(parseDurationMs(text)).toBe(ms)
})

test.for([
  ['0B', 0],
  ['512B', 512],
  ['16KiB', 16_384],
  ['1.5KiB', 1_536],
  ['10MiB', 10_485_760],
  ['1GiB', 1_073_741_824],
] as const)('the size %s is %d bytes', ([text, bytes]) => {
  expect(text).toMatch(SIZE_PATTERN)
  expect(parseSizeBytes(text)).toBe(bytes)
})

test.for([
  '',
  '5',
  's',
  '5 s',
  ' 5s',
  '5s ',
  '5s\n',
  '5S',
  '-1s',
  '+1s',
  '1e3s',
  '.5s',
  '5.s',
  '1.2.3s',
  '1,5s',
  '5sec',
  '1d',
  '1m30s',
  'PT5S',
  '5µs',
  '\u0665s',
  'Infinitys',
])('%j is an invalid duration', (text) => {
  expect(text).not.toMatch(DURATION_PATTERN)
})

test.for([
  '',
  '512',
  'KiB',
  '10 KiB',
  '10KB',
  '10kib',
  '10K',
  '10MB',
  '1TiB',
  '-1B',
  '1e3B',
  '16KiB\n',
])('%j is an invalid size', (text) => {
  expect(text).not.toMatch(SIZE_PATTERN)
})

test.for([
  { what: 'a token request', credential: { timeout: '600h' } },
  { what: 'a token request', credential: { timeout: '1200h' } },
  {
    what: 'the lifetime of a token',
    credential: { defaultLifetime: '1e400h'.replace('1e400', '9'.repeat(400)) },
  },
  { what: 'waiting for a token', route: { timeouts: { token: '600h' } } },
  { what: 'waiting for a response', route: { timeouts: { response: '600h' } } },
  { what: 'an idle timeout', route: { timeouts: { idle: '600h' } } },
  { what: 'shutting down', top: { shutdown: { deadline: '600h' } } },
])('a duration for $what beyond the range of timers is rejected', async (given) => {
  expect(await faultsOf(given)).toEqual([expect.stringMatching(/: expected a duration /)])
})

test.for([
  { what: 'a token request', credential: { timeout: '0s' } },
  { what: 'the lifetime of a token', credential: { defaultLifetime: '0s' } },
  { what: 'waiting for a token', route: { timeouts: { token: '0s' } } },
])('0s for $what is rejected', async (given) => {
  expect(await faultsOf(given)).toEqual([expect.stringMatching(/: expected a duration /)])
})

test.for(['0s', '24h'])('response and idle timeouts of %s are accepted', async (response) => {
  expect(await faultsOf({ route: { timeouts: { response, idle: response } } })).toEqual([])
})

test.for(['0B', '0.1B', '9'.repeat(30) + 'GiB'])(
  'limits.headers: %s is rejected',
  async (headers) => {
    expect(await faultsOf({ top: { limits: { headers } } })).toEqual([
      expect.stringMatching(/^limits\.headers: expected a size /),
    ])
  },
)
