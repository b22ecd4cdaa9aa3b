import { describe, expect, test } from 'vitest'
import { THEMES } from './cases/all.ts'
import { SMUGGLING } from './cases/smuggling.ts'
import { type Http2Sides, reasonToSkip } from './http2/reason-to-skip.ts'
import { differenceOf, DIFFERENCES, expectHttp2 } from './http2/expect-http2.ts'
import { connectFrameWireClient } from './http2/frame-wire-client.ts'
import { startFrameWireUpstream } from './http2/frame-wire-upstream.ts'
import { startForwarding, startWithToken } from './proxy-under-test.ts'
import { faultsOf, http1Peers, type WirePeers } from './run-wire-case.ts'
import type { WireCase } from './wire-case.ts'

const HTTP2_TO_HTTP1 = { name: 'HTTP/2 to HTTP/1.1', sides: { client: true, upstream: false } }
const HTTP1_TO_HTTP2 = { name: 'HTTP/1.1 to HTTP/2', sides: { client: false, upstream: true } }
const HTTP2_TO_HTTP2 = { name: 'HTTP/2 to HTTP/2', sides: { client: true, upstream: true } }
const COMBINATIONS = [HTTP2_TO_HTTP1, HTTP1_TO_HTTP2, HTTP2_TO_HTTP2]

const GROUPS = [
  ...THEMES.map(({ theme, cases }) => ({ group: theme, cases, startProxy: startForwarding })),
  ...SMUGGLING.map(({ family, cases }) => ({
    group: `smuggling: ${family}`,
    cases,
    startProxy: startWithToken,
  })),
]
const ALL: readonly WireCase[] = GROUPS.flatMap(({ cases }) => cases)

/** The cases that can be expressed if these sides use HTTP/2. */
function groupsFor(sides: Http2Sides): typeof GROUPS {
  return GROUPS.map((group) => ({
    ...group,
    cases: group.cases.filter((wireCase) => reasonToSkip(wireCase, sides) === undefined),
  })).filter(({ cases }) => cases.length > 0)
}

function peersOf(sides: Http2Sides): WirePeers {
  const http1 = http1Peers()
  return {
    connect: sides.client ? connectFrameWireClient : http1.connect,
    startUpstream: sides.upstream ? startFrameWireUpstream : http1.startUpstream,
    upstreamProtocol: sides.upstream ? 'HTTP/2' : 'HTTP/1.1',
  }
}

describe.for(COMBINATIONS)('$name', ({ sides }) => {
  describe.for(groupsFor(sides))('$group', ({ cases, startProxy }) => {
    for (const wireCase of cases) {
      test(`${wireCase.name} (RFC ${wireCase.rfc})`, async () => {
        expect(await faultsOf(expectHttp2(wireCase, sides), startProxy, peersOf(sides))).toEqual([])
      })
    }
  })
})

const REQUEST_REASONS = {
  'absolute form': 4,
  'connection-specific field in the request': 26,
  'field that ends an HTTP/2 connection': 1,
  'data after a request': 5,
  pipelining: 1,
  'request syntax: chunk': 41,
  'request syntax: field line': 152,
  'request syntax: framed more than once': 74,
  'request syntax: length': 16,
  'request syntax: no CRLF after a chunk': 6,
  'request syntax: not exactly one Host': 10,
  'request syntax: start line': 53,
  'request syntax: trailer': 14,
  'request syntax: transfer coding': 33,
  'protocol version of the request': 13,
}
const RESPONSE_REASONS = {
  'chunked coding': 5,
  'connection-specific field in the response': 14,
  'data after a response': 6,
  'data outside of a response': 59,
  'response syntax: chunk': 21,
  'response syntax: field line': 8,
  'response syntax: framed more than once': 7,
  'response syntax: incomplete head': 6,
  'response syntax: length': 7,
  'response syntax: no CRLF after a chunk': 2,
  'response syntax: no response': 1,
  'response syntax: start line': 23,
  'response syntax: trailer': 2,
  'response syntax: transfer coding': 26,
}

/** The counts detect cases that are skipped by mistake. */
test.for([
  { ...HTTP2_TO_HTTP1, counts: { runs: 530, ...REQUEST_REASONS } },
  { ...HTTP1_TO_HTTP2, counts: { runs: 792, ...RESPONSE_REASONS } },
  { ...HTTP2_TO_HTTP2, counts: { runs: 343, ...REQUEST_REASONS, ...RESPONSE_REASONS } },
])('$name: the number of cases that run, and of skipped ones by reason', ({ sides, counts }) => {
  const actual: Record<string, number> = {}
  for (const wireCase of ALL) {
    const outcome = reasonToSkip(wireCase, sides) ?? 'runs'
    actual[outcome] = (actual[outcome] ?? 0) + 1
  }
  expect(actual).toEqual(counts)
})

test.for(DIFFERENCES)(
  'the difference for $name applies to exactly one case that runs',
  (difference) => {
    const rows = ALL.filter(
      (wireCase) =>
        difference.name.test(wireCase.name) &&
        COMBINATIONS.some(
          ({ sides }) =>
            differenceOf(wireCase, sides) === difference &&
            reasonToSkip(wireCase, sides) === undefined,
        ),
    )
    expect(rows).toHaveLength(1)
  },
)
