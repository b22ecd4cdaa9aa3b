import { describe, expect, test } from 'vitest'
import { CONNECTIONS } from './cases/connections.ts'
import { INTERIM_RESPONSES } from './cases/interim-responses.ts'
import { REQUEST_FRAMING } from './cases/request-framing.ts'
import { REQUEST_HEADERS } from './cases/request-headers.ts'
import { RESPONSE_FRAMING } from './cases/response-framing.ts'
import { RESPONSE_HEADERS } from './cases/response-headers.ts'
import { SMUGGLING } from './cases/smuggling.ts'
import { TARGETS } from './cases/targets.ts'
import { TRUNCATION } from './cases/truncation.ts'
import { UPSTREAM_CONNECTIONS } from './cases/upstream-connections.ts'
import { startForwarding, startWithToken, UPSTREAM_PORT } from './proxy-under-test.ts'
import { faultsOf } from './run-wire-case.ts'

describe.for([
  { theme: 'targets', cases: TARGETS },
  { theme: 'headers of requests', cases: REQUEST_HEADERS },
  { theme: 'headers of responses', cases: RESPONSE_HEADERS },
  { theme: 'framing of requests', cases: REQUEST_FRAMING },
  { theme: 'framing of responses', cases: RESPONSE_FRAMING },
  { theme: 'interim responses', cases: INTERIM_RESPONSES },
  { theme: 'truncation', cases: TRUNCATION },
  { theme: 'connections', cases: CONNECTIONS },
  { theme: 'connections to the upstream', cases: UPSTREAM_CONNECTIONS },
])('$theme', ({ cases }) => {
  for (const wireCase of cases) {
    test(`${wireCase.name} (RFC ${wireCase.rfc})`, async () => {
      expect(await faultsOf(wireCase, startForwarding, UPSTREAM_PORT)).toEqual([])
    })
  }
})

describe.for(SMUGGLING)('smuggling: $family', ({ cases }) => {
  for (const wireCase of cases) {
    test(`${wireCase.name} (RFC ${wireCase.rfc})`, async () => {
      expect(await faultsOf(wireCase, startWithToken, UPSTREAM_PORT)).toEqual([])
    })
  }
})
