import * as z from 'zod'
import { closest } from '../lib/closest.ts'
import { isRemotePlaintext } from '../lib/endpoint-url.ts'
import { error, type Finding, optionalFlag, optionalText, present, warning } from './finding.ts'
import type { KeyPath } from './problem.ts'

export const routeOutline = z.object({
  name: optionalText,
  match: z
    .object({ host: optionalText, path: optionalText, methods: z.array(z.string()).catch([]) })
    .optional()
    .catch(undefined),
  upstream: optionalText,
  credential: optionalText,
  scopes: present,
  audience: present,
  resource: present,
  allowPlaintext: optionalFlag,
  inject: z.object({ header: optionalText, present }).catch({ header: undefined }),
  headers: z
    .object({
      set: z.record(z.string(), z.unknown()).catch({}),
      remove: z.array(z.string()).catch([]),
    })
    .catch({ set: {}, remove: [] }),
})

type RouteOutline = z.output<typeof routeOutline>

/** What is wrong between the keys of a route; `names` are those of credentials, if they can be told. */
export function checkRoute(
  index: number,
  route: RouteOutline,
  names: readonly string[] | undefined,
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
    isRemotePlaintext(upstream) &&
    route.allowPlaintext !== true
  ) {
    findings.push(
      error(
        [...at, 'upstream'],
        'expected an https URL, because the token would travel readable; "allowPlaintext: true" permits it',
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
  return [...findings, ...checkHeaders(at, route)]
}

// What the sidecar itself decides, because a message would mean something else with them changed.
const RESERVED_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
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
        error([...at, 'headers', 'set', name], 'expected a header that HTTP leaves to you'),
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
        error([...at, 'headers', 'remove', index], 'expected a header that HTTP leaves to you'),
      )
    }
  }
  return findings
}

/**
 * No two routes have one name, or claim the same requests. The check is to be called for one route
 * after the other.
 */
export function createDistinctCheck(): (index: number, route: RouteOutline) => Finding[] {
  const names = new Map<string, number>()
  const claims = new Map<string, number>()
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
    const claim = claimOf(route)
    const twin = claim === undefined ? undefined : claims.get(claim)
    if (twin !== undefined) {
      findings.push({
        ...error(
          ['routes', index, 'match'],
          `expected a match that differs from that of routes[${twin}]`,
        ),
        isAboutUse: true,
      })
    } else if (claim !== undefined) claims.set(claim, index)
    return findings
  }
}

/** Equal for routes that claim the same requests; undefined for one whose claim can't be read. */
function claimOf({ match }: RouteOutline): string | undefined {
  if (match === undefined || (match.host === undefined && match.path === undefined))
    return undefined
  const { host = '', path = '/', methods } = match
  return JSON.stringify([host.toLowerCase(), path.replace(/\/$/, ''), methods.toSorted()])
}
