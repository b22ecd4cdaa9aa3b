import * as z from 'zod'
import { type Finding, unused } from './finding.ts'
import { valueAt } from './hints.ts'
import type { KeyPath } from './problem.ts'
import { isRecord } from './schema-walk.ts'

/*
 * Settings that another setting makes ineffective. They are rejected, so that they do not seem to work. A default
 * that does not apply is not an error.
 */

/** The settings without an effect; `data` may be anything. */
export function* unusedSettings(data: unknown): Generator<Finding> {
  const { credentials, routes, intercept, log } = isRecord(data) ? data : {}
  if (isRecord(credentials)) {
    for (const [name, credential] of Object.entries(credentials)) {
      yield* unusedInCredential(['credentials', name], credential)
    }
  }
  if (Array.isArray(routes)) {
    for (const [index, route] of routes.entries()) {
      yield* unusedInRoute(['routes', index], route, credentials)
    }
  }
  if (intercept !== undefined && Array.isArray(routes) && !routes.some(namesHost)) {
    yield unused(
      ['intercept'],
      'expected a route with "match.host", because only hosts that a route names are intercepted',
    )
  }
  if (valueAt(log, ['access']) === 'off') {
    yield unused(
      ['log', 'sample'],
      'expected "access: on" beside it, because it is a share of those lines',
    )
  }
}

function namesHost(route: unknown): boolean {
  return valueAt(route, ['match', 'host']) !== undefined
}

/** Settings of a route that concern its token. */
const TOKEN_SETTINGS: readonly KeyPath[] = [
  ['scopes'],
  ['audience'],
  ['resource'],
  ['inject'],
  ['existingAuthorization'],
  ['replay'],
  ['readiness'],
  ['timeouts', 'token'],
  ['allowPlaintext'],
]

function* unusedInRoute(at: KeyPath, route: unknown, credentials: unknown): Generator<Finding> {
  const name = valueAt(route, ['credential'])
  if (name === 'none') {
    for (const setting of TOKEN_SETTINGS) {
      yield unused([...at, ...setting], 'expected a credential other than "none" beside it')
    }
  } else {
    if (valueAt(route, ['replay', 'enabled']) === false) {
      yield unused([...at, 'replay', 'maxBody'], 'expected "enabled: true" beside it')
    }
    if (typeof name === 'string' && valueAt(credentials, [name, 'prefetch']) === false) {
      yield unused(
        [...at, 'readiness'],
        `expected "prefetch: true" of the credential, because readiness waits for fetched tokens only`,
      )
    }
  }
  if (isPlaintext(valueAt(route, ['upstream']))) {
    yield unused(
      [...at, 'tls'],
      'expected an "https:" URL as "upstream", because "http:" has no TLS',
    )
  }
  const proxy = valueAt(route, ['proxy'])
  const isProxied = proxy !== undefined && proxy !== 'none'
  if (
    isProxied &&
    isPlaintext(valueAt(route, ['upstream'])) &&
    valueAt(route, ['keepHost']) === true
  ) {
    // RFC 9112 section 3.2.2: a proxy replaces Host by the host of the request target.
    yield unused(
      [...at, 'keepHost'],
      'expected an "https:" URL as "upstream", because a proxy replaces the Host of an "http:" one',
    )
  }
  yield* unusedFields(at, route)
}

/** Header fields that are set twice, or removed although they are replaced anyway. */
function* unusedFields(at: KeyPath, route: unknown): Generator<Finding> {
  const set = valueAt(route, ['headers', 'set'])
  const names = isRecord(set) ? Object.keys(set) : []
  const lowerCase = names.map((name) => name.toLowerCase())
  for (const [index, name] of names.entries()) {
    if (lowerCase.indexOf(name.toLowerCase()) < index) {
      yield unused(
        [...at, 'headers', 'set', name],
        'expected each header once: upper and lower case make no difference',
      )
    }
  }
  const { data: header = 'Authorization' } = z
    .string()
    .safeParse(valueAt(route, ['inject', 'header']))
  const injected = valueAt(route, ['credential']) === 'none' ? undefined : header.toLowerCase()
  const removed = valueAt(route, ['headers', 'remove'])
  if (!Array.isArray(removed)) return
  for (const [index, name] of removed.entries()) {
    if (typeof name !== 'string') continue
    const path = [...at, 'headers', 'remove', index]
    if (lowerCase.includes(name.toLowerCase())) {
      yield unused(path, 'expected another header than those of "headers.set", which are replaced')
    } else if (name.toLowerCase() === injected) {
      yield unused(
        path,
        'expected another header than the one that carries the token; use "existingAuthorization" for that one',
      )
    }
  }
}

function* unusedInCredential(at: KeyPath, credential: unknown): Generator<Finding> {
  if (isPlaintext(valueAt(credential, ['tokenEndpoint']))) {
    yield unused(
      [...at, 'tls'],
      'expected an "https:" URL as "tokenEndpoint", because "http:" has no TLS',
    )
  }
}

function isPlaintext(url: unknown): boolean {
  return typeof url === 'string' && /^http:/i.test(url)
}
