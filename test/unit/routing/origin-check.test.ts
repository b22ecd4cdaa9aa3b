import { expect, test } from 'vitest'
import { readRequestHead } from '../../../src/http/request-head.ts'
import {
  type OriginPolicy,
  createOriginCheck,
  readTarget,
} from '../../../src/routing/origin-check.ts'

const POLICY: OriginPolicy = {
  listenHost: '127.0.0.1',
  hosts: new Set(['sidecar.internal']),
  origins: new Set(['https://app.example']),
}

type Given = {
  readonly target?: string
  readonly fields: readonly string[]
  readonly policy?: Partial<OriginPolicy>
}

/** The message of the refusal; undefined if the request is accepted. */
function refusal({ target = '/orders', fields, policy }: Given): string | undefined {
  const callers = { ...POLICY, ...policy }
  const guard = createOriginCheck(callers, (host) => host === 'api.example')
  const head = readRequestHead({ method: 'GET', target, version: '1.1' }, fields)
  try {
    guard(head, readTarget(head, { localPort: 8080 }, callers))
    return undefined
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return error.message
  }
}

const LOOPBACK = ['Host', '127.0.0.1:8080']

test.for([
  { what: 'an address of loopback', fields: LOOPBACK },
  { what: 'the name localhost', fields: ['Host', 'localhost:8080'] },
  {
    what: 'a name below localhost, which browsers resolve to loopback',
    fields: ['Host', 'app.localhost'],
  },
  { what: 'a name of access.hosts, with any port', fields: ['Host', 'SIDECAR.internal:1'] },
  { what: 'the host of a route', fields: ['Host', 'api.example'] },
  {
    what: 'the Origin of the sidecar itself',
    fields: [...LOOPBACK, 'Origin', 'http://127.0.0.1:8080'],
  },
  {
    what: 'an allowed Origin',
    fields: [...LOOPBACK, 'Origin', 'https://APP.example', 'Sec-Fetch-Site', 'cross-site'],
  },
  { what: 'Sec-Fetch-Site: same-origin', fields: [...LOOPBACK, 'Sec-Fetch-Site', 'same-origin'] },
  { what: 'a request that the user started', fields: [...LOOPBACK, 'Sec-Fetch-Site', 'none'] },
  {
    what: 'any host of a target in absolute form',
    target: 'http://other.example/',
    fields: ['Host', 'other.example'],
  },
  {
    what: 'any host on an address that other machines reach',
    fields: ['Host', 'other.example'],
    policy: { listenHost: '0.0.0.0' },
  },
  {
    what: 'any host on a Unix socket',
    fields: ['Host', 'other.example'],
    policy: { listenHost: undefined },
  },
])('the origin check accepts $what', (given) => {
  expect(refusal(given)).toBeUndefined()
})

test.for([
  {
    what: 'a foreign Origin',
    fields: [...LOOPBACK, 'Origin', 'https://evil.example'],
    message: 'its Origin is not allowed',
  },
  {
    what: 'the Origin "null"',
    fields: [...LOOPBACK, 'Origin', 'null'],
    message: 'its Origin is not allowed',
  },
  {
    what: 'an Origin on another port of the same host',
    fields: [...LOOPBACK, 'Origin', 'http://127.0.0.1:3000'],
    message: 'its Origin is not allowed',
  },
  {
    what: 'Sec-Fetch-Site: cross-site',
    fields: [...LOOPBACK, 'Sec-Fetch-Site', 'cross-site'],
    message: 'another site',
  },
  {
    what: 'Sec-Fetch-Site: same-site',
    fields: [...LOOPBACK, 'Sec-Fetch-Site', 'same-site'],
    message: 'another site',
  },
  {
    what: 'a name of another site, as after DNS rebinding',
    fields: ['Host', 'evil.example:8080'],
    message: '"evil.example:8080"',
  },
  {
    what: 'a foreign name in a target that is in absolute form',
    target: 'http://127.0.0.1:8080/',
    fields: ['Host', '127.0.0.1:8080', 'Origin', 'https://evil.example'],
    message: 'its Origin is not allowed',
  },
])('the origin check rejects $what', ({ message, ...given }) => {
  expect(refusal(given)).toContain(message)
})

test.for([
  { target: 'http://127.0.0.1:8080/a', absolute: false },
  { target: 'http://localhost:8080/a', absolute: false },
  { target: 'http://sidecar.internal:8080/a', absolute: false },
  { target: 'http://127.0.0.1:8081/a', absolute: true },
  { target: 'http://127.0.0.1/a', absolute: true },
  { target: 'http://api.example:8080/a', absolute: true },
])('$target in absolute form is for another host: $absolute', ({ target, absolute }) => {
  const head = readRequestHead({ method: 'GET', target, version: '1.1' }, [
    'Host',
    new URL(target).host,
  ])
  expect(readTarget(head, { localPort: 8080 }, POLICY).absolute).toBe(absolute)
})
