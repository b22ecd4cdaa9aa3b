import { describe, expect, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { openIntercepted } from '../helpers/interception.ts'
import { CLIENT_ID, CLIENT_SECRET } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { THEMES } from './cases/all.ts'
import { SMUGGLING } from './cases/smuggling.ts'
import { faultsOf, http1Peers, type StartWireProxy, type WirePeers } from './run-wire-case.ts'
import type { WireCase } from './wire-case.ts'
import { wireClientOver } from './wire-client.ts'

/*
 * Rows of the wire table with HTTP/1.1 inside of an intercepted connection to "localhost", which is the host in
 * nearly all of them: one row in four, or all with WIRE_INTERCEPTED=all.
 */

const STEP = process.env['WIRE_INTERCEPTED'] === 'all' ? 1 : 4

const AUTHORITY = await createAuthority()

async function startIntercepting(upstream: string, credentials = ''): Promise<string> {
  const { proxyUrl } = await startSidecar(`
intercept:
  ca:
    cert: { file: ${await fileWith(AUTHORITY.certificate)} }
    key: { file: ${await fileWith(AUTHORITY.key)} }
${credentials}
routes:
  - name: all
    match: { host: localhost }
    upstream: '${upstream}'
    credential: ${credentials === '' ? 'none' : 'corp'}
    http2: never
`)
  return proxyUrl
}

const startForwarding: StartWireProxy = async (upstream) => ({
  url: await startIntercepting(upstream),
  name: 'token-sidecar',
})

const startWithToken: StartWireProxy = async (upstream) => {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: 'TOKEN' }),
  )
  const credentials = `
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: ${CLIENT_ID}
    auth: { method: client_secret_basic, clientSecret: { value: ${CLIENT_SECRET} } }`
  return {
    url: await startIntercepting(upstream, credentials),
    name: 'token-sidecar',
    authorization: 'Bearer TOKEN',
  }
}

const PEERS: WirePeers = {
  ...http1Peers(),
  async connect(proxyUrl) {
    const sidecar = { proxyUrl, authority: AUTHORITY }
    return wireClientOver(await openIntercepted(sidecar, 'localhost:443'))
  },
}

/** An absolute target is for the scheme of the connection here, so that http and https change places. */
const HAS_ABSOLUTE_TARGET = /^[A-Z]+ https?:\/\/(?:AUTHORITY|localhost)/i

function selected(cases: readonly WireCase[]): readonly WireCase[] {
  return cases.filter(({ clientSends }, index) => {
    const [first] = typeof clientSends === 'string' ? [clientSends] : clientSends
    return index % STEP === 0 && !(typeof first === 'string' && HAS_ABSOLUTE_TARGET.test(first))
  })
}

describe.for(THEMES)('intercepted: $theme', ({ cases }) => {
  for (const wireCase of selected(cases)) {
    test(`${wireCase.name} (RFC ${wireCase.rfc})`, async () => {
      expect(await faultsOf(wireCase, startForwarding, PEERS)).toEqual([])
    })
  }
})

describe.for(SMUGGLING)('intercepted: smuggling: $family', ({ cases }) => {
  for (const wireCase of selected(cases)) {
    test(`${wireCase.name} (RFC ${wireCase.rfc})`, async () => {
      expect(await faultsOf(wireCase, startWithToken, PEERS)).toEqual([])
    })
  }
})
