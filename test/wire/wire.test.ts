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
  { theme: 'request headers', cases: REQUEST_HEADERS },
  { theme: 'response headers', cases: RESPONSE_HEADERS },
  { theme: 'request framing', cases: REQUEST_FRAMING },
  { theme: 'response framing', cases: RESPONSE_FRAMING },
  { theme: 'interim responses', cases: INTERIM_RESPONSES },
  { theme: 'truncation', cases: TRUNCATION },
  { theme: 'client connections', cases: CONNECTIONS },
  { theme: 'upstream connections', cases: UPSTREAM_CONNECTIONS },
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
