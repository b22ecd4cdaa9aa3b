import * as z from 'zod'
import { closest } from '../lib/closest.ts'
import { isRemotePlaintext } from '../lib/endpoint-url.ts'
import { error, type Finding, optionalFlag, optionalText, present, warning } from './finding.ts'
import type { KeyPath } from './problem.ts'
import { proxyOutline } from './proxy-checks.ts'

export const routeOutline = z.object({
  name: optionalText,
  match: z
    .object({ host: optionalText, path: optionalText, methods: z.array(z.string()).catch([]) })
    .optional()
    .catch(undefined),
  listeners: z.array(z.string()).optional().catch(undefined),
  upstream: optionalText,
  credential: optionalText,
  scopes: present,
  audience: present,
  resource: present,
  allowPlaintext: optionalFlag,
  proxy: proxyOutline,
  inject: z.object({ header: optionalText, present }).catch({ header: undefined }),
  headers: z
    .object({
      set: z.record(z.string(), z.unknown()).catch({}),
      remove: z.array(z.string()).catch([]),
    })
    .catch({ set: {}, remove: [] }),
})

type RouteOutline = z.output<typeof routeOutline>

/**
 * Checks that involve several settings of a route; `names` are those of credentials, if they are known, and
 * `listenerNames` those of listeners.
 */
export function checkRoute(
  index: number,
  route: RouteOutline,
  names: readonly string[] | undefined,
  listenerNames: readonly string[],
): Finding[] {
  const at = ['routes', index]
  const { credential, upstream, match } = route
  const findings: Finding[] = []
  if (match !== undefined && match.host === undefined && match.path === undefined) {
    findings.push({
      ...error([...at, 'match'], 'expected "host", "path" or both; "path: /" matches everything'),
      misses: ['host', 'path'].map((key) => [...at, 'match', key]),
    })
  }
  if (credential !== undefined && names?.includes(credential) === false) {
    const meant = closest(credential, names)
    findings.push({
      ...error([...at, 'credential'], 'expected the name of a credential, or "none"'),
      misses: [['credentials']],
      ...(meant !== undefined && { hint: `did you mean "${meant}"?` }),
    })
  }
  if (
    credential !== undefined &&
    credential !== 'none' &&
    upstream !== undefined &&
    isRemotePlaintext(upstream, route.proxy !== undefined) &&
    route.allowPlaintext !== true
  ) {
    findings.push(
      error(
        [...at, 'upstream'],
        'expected an https URL, because the token would be sent unencrypted; "allowPlaintext: true" permits it',
      ),
    )
  }
  if (match?.path?.includes('*') === true) {
    findings.push(
      warning(
        [...at, 'match', 'path'],
        '"*" stands for itself; a path matches everything below it without one',
      ),
    )
  }
  return [
    ...findings,
    ...unknownListeners([...at, 'listeners'], route, listenerNames),
    ...checkHeaders(at, route),
  ]
}

function unknownListeners(
  at: KeyPath,
  { listeners = [] }: RouteOutline,
  names: readonly string[],
): Finding[] {
  return listeners.flatMap((name, index) => {
    if (names.includes(name)) return []
    const meant = closest(name, names)
    return {
      ...error([...at, index], 'expected the name of a listener'),
      hint: meant === undefined ? `there is ${names.join(', ')}` : `did you mean "${meant}"?`,
    }
  })
}

// Fields that determine framing, routing or the connection, so that only the sidecar may set them.
const RESERVED_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function checkHeaders(at: KeyPath, { credential, inject, headers }: RouteOutline): Finding[] {
  const injected = (inject.header ?? 'Authorization').toLowerCase()
  const findings: Finding[] = []
  if (RESERVED_HEADERS.has(injected)) {
    findings.push(error([...at, 'inject', 'header'], 'expected a header that can carry a token'))
  }
  for (const name of Object.keys(headers.set)) {
    if (RESERVED_HEADERS.has(name.toLowerCase())) {
      findings.push(
        error(
          [...at, 'headers', 'set', name],
          'expected a header that the sidecar does not control',
        ),
      )
    }
    if (name.toLowerCase() === injected && credential !== 'none') {
      findings.push(
        error(
          [...at, 'headers', 'set', name],
          'expected another header than the one that carries the token',
        ),
      )
    }
  }
  for (const [index, name] of headers.remove.entries()) {
    if (RESERVED_HEADERS.has(name.toLowerCase())) {
      findings.push(
        error(
          [...at, 'headers', 'remove', index],
          'expected a header that the sidecar does not control',
        ),
      )
    }
  }
  return findings
}

/**
 * No two routes may have the same name, or match the same requests of the same listener. To be called for each
 * route in turn.
 */
export function createDistinctCheck(): (index: number, route: RouteOutline) => Finding[] {
  const names = new Map<string, number>()
  const matches = new Map<string, { readonly index: number; readonly route: RouteOutline }[]>()
  return (index, route) => {
    const findings: Finding[] = []
    const namesake = route.name === undefined ? undefined : names.get(route.name)
    if (namesake !== undefined) {
      findings.push({
        ...error(['routes', index, 'name'], 'expected a name that no other route has'),
        hint: `routes[${namesake}] has the same`,
        isAboutUse: true,
      })
    } else if (route.name !== undefined) names.set(route.name, index)
    const matchKey = matchKeyOf(route)
    const others = (matchKey === undefined ? undefined : matches.get(matchKey)) ?? []
    const twin = others.find((other) => shareListener(other.route, route))
    if (twin !== undefined) {
      findings.push({
        ...error(
          ['routes', index, 'match'],
          `expected a match that differs from that of routes[${twin.index}]`,
        ),
        isAboutUse: true,
      })
    } else if (matchKey !== undefined) matches.set(matchKey, [...others, { index, route }])
    return findings
  }
}

function shareListener(one: RouteOutline, other: RouteOutline): boolean {
  if (one.listeners === undefined || other.listeners === undefined) return true
  return one.listeners.some((name) => other.listeners?.includes(name))
}

/** Equal for routes that match the same requests; undefined if `match` is invalid. */
function matchKeyOf({ match }: RouteOutline): string | undefined {
  if (match === undefined || (match.host === undefined && match.path === undefined))
    return undefined
  const { host = '', path = '/', methods } = match
  return JSON.stringify([host.toLowerCase(), path.replace(/\/$/, ''), methods.toSorted()])
}
