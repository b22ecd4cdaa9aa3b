import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type FailureCode, SidecarError } from '../../../src/errors.ts'
import { fieldNames } from '../../../src/http/field-lines.ts'
import { readHttp1Head } from '../../../src/http/request-head.ts'
import {
  bypassesInjection,
  type RequestFieldPolicy,
  requestFields,
} from '../../../src/exchange/request-fields.ts'
import { endsHere, type Field, fields, flat, isNamed, pairs } from '../../helpers/field-lines.ts'

const TOKEN = 'Bearer the-token'

const WRITTEN_NAMES: Readonly<Record<string, string>> = {
  authorization: 'Authorization',
  'x-access-token': 'X-Access-Token',
}

function policyFor(injectedName: string, changes: Partial<RequestFieldPolicy> = {}) {
  return {
    host: 'api.example.com',
    injected: injectedName.toLowerCase(),
    existing: 'replace',
    dropped: fieldNames(['x-added', 'x-removed']),
    added: ['X-Added', 'by the route'],
    via: undefined,
    forwarded: 'off',
    ...changes,
  } as const satisfies RequestFieldPolicy
}

/** What is sent for a request with these fields. */
function sent(received: readonly Field[], policy: RequestFieldPolicy): Field[] {
  const req = new IncomingMessage(new Socket())
  req.rawHeaders = flat(received)
  const head = readHttp1Head(req)
  const forwarded = requestFields(head, policy, { socket: req.socket, host: 'localhost' })
  // As the handler does: no token for a request that bypasses the injection.
  const injected = bypassesInjection(head, policy)
    ? []
    : [WRITTEN_NAMES[policy.injected ?? ''] ?? '', TOKEN]
  return pairs([...forwarded, ...injected])
}

function sentOrRefused(
  received: readonly Field[],
  policy: RequestFieldPolicy,
): Field[] | FailureCode {
  try {
    return sent(received, policy)
  } catch (error) {
    if (error instanceof SidecarError) return error.code
    throw error
  }
}

/** RFC 9112 section 7.1.2: only a chunked body has a trailer section. */
function mayHaveTrailers(received: readonly Field[]): boolean {
  const lengths = received.filter((field) => isNamed(field, 'content-length'))
  const isChunked = received.some((field) => isNamed(field, 'transfer-encoding'))
  return (isChunked || lengths.length > 0) && Number.isNaN(Number(lengths.at(-1)?.[1] ?? 'none'))
}

const injectedName = fc.constantFrom('Authorization', 'X-Access-Token')
const RUNS = { numRuns: 2000 }

test('no field of a client removes, changes or repeats the token', () => {
  fc.assert(
    fc.property(fields, injectedName, (received, name) => {
      const headers = sent(received, policyFor(name))
      expect(headers.filter((field) => isNamed(field, name.toLowerCase()))).toEqual([[name, TOKEN]])
    }),
    RUNS,
  )
})

test('no field of a client removes, changes or repeats a field that the route sets', () => {
  fc.assert(
    fc.property(fields, injectedName, (received, name) => {
      const headers = sent(received, policyFor(name))
      expect(headers.filter((field) => isNamed(field, 'x-added'))).toEqual([
        ['X-Added', 'by the route'],
      ])
      expect(headers.filter((field) => isNamed(field, 'x-removed'))).toEqual([])
    }),
    RUNS,
  )
})

test('connection-specific request fields are dropped, and all others keep their order, case and number', () => {
  fc.assert(
    fc.property(fields, injectedName, (received, name) => {
      const ours = ['x-added', 'x-removed', 'expect', name.toLowerCase()]
      const expected = received
        .filter(
          (field) =>
            (isNamed(field, 'trailer') && mayHaveTrailers(received)) ||
            (!endsHere(field, received) && !isNamed(field, ...ours)),
        )
        .map((field) => (isNamed(field, 'host') ? [field[0], 'api.example.com'] : field))
      const headers = sent(received, policyFor(name))
      expect(headers).toEqual([...expected, ['X-Added', 'by the route'], [name, TOKEN]])
    }),
    RUNS,
  )
})

test('forwarding forwarded request fields again does not change them', () => {
  fc.assert(
    fc.property(fields, injectedName, (received, name) => {
      // Without Transfer-Encoding, which is connection-specific, there is no trailer section to announce.
      const announced = received.filter((field) => !isNamed(field, 'trailer'))
      const once = sent(announced, policyFor(name))
      expect(sent(once, policyFor(name))).toEqual(once)
    }),
    RUNS,
  )
})

test('forwarding request fields adds no line break', () => {
  fc.assert(
    fc.property(fields, injectedName, (received, name) => {
      expect(flat(sent(received, policyFor(name))).join('')).not.toMatch(/[\r\n]/)
    }),
    RUNS,
  )
})

test('with "keep" either the field of the client or the token is sent, never both', () => {
  fc.assert(
    fc.property(fields, injectedName, (received, name) => {
      const isInjected = (field: Field): boolean => isNamed(field, name.toLowerCase())
      const own = received.filter(isInjected)
      const headers = sent(received, policyFor(name, { existing: 'keep' }))
      expect(headers.filter(isInjected)).toEqual(own.length > 0 ? own : [[name, TOKEN]])
    }),
    RUNS,
  )
})

test('with "reject", exactly the requests that already have the field are rejected', () => {
  fc.assert(
    fc.property(fields, injectedName, (received, name) => {
      const owns = received.some((field) => isNamed(field, name.toLowerCase()))
      const headers = sentOrRefused(received, policyFor(name, { existing: 'reject' }))
      expect(headers).toEqual(owns ? 'request_invalid' : sent(received, policyFor(name)))
    }),
    RUNS,
  )
})
