import { describe, expect, test } from 'vitest'
import { THEMES } from './cases/all.ts'
import { SMUGGLING } from './cases/smuggling.ts'
import { startForwarding, startWithToken, UPSTREAM_PORT } from './proxy-under-test.ts'
import { faultsOf, http1Peers } from './run-wire-case.ts'

const PEERS = http1Peers(UPSTREAM_PORT)

describe.for(THEMES)('$theme', ({ cases }) => {
  for (const wireCase of cases) {
    test(`${wireCase.name} (RFC ${wireCase.rfc})`, async () => {
      expect(await faultsOf(wireCase, startForwarding, PEERS)).toEqual([])
    })
  }
})

describe.for(SMUGGLING)('smuggling: $family', ({ cases }) => {
  for (const wireCase of cases) {
    test(`${wireCase.name} (RFC ${wireCase.rfc})`, async () => {
      expect(await faultsOf(wireCase, startWithToken, PEERS)).toEqual([])
    })
  }
})
