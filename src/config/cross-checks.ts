import * as z from 'zod'
import { checkCredential } from './credential-checks.ts'
import { credentialOutline } from './credential-outline.ts'
import { error, type Finding, optionalText, unused, warning } from './finding.ts'
import {
  checkListeners,
  listenerAt,
  type ListenerOutline,
  outlineListeners,
} from './listener-checks.ts'
import { formatKeyPath, type KeyPath } from './problem.ts'
import { checkProxy, proxyOutline } from './proxy-checks.ts'
import { checkRoute, createDistinctCheck, routeOutline } from './route-checks.ts'
import { checkTokenStore } from './token-store-checks.ts'
import { unusedSettings } from './unused-settings.ts'

const credentialsOutline = z.record(z.string(), credentialOutline.optional().catch(undefined))

const outline = z.object({
  credentials: z.unknown().optional(),
  tokenStore: z.unknown().optional(),
  routes: z.array(routeOutline.optional().catch(undefined)).catch([]),
  forward: z.object({ mode: optionalText, proxy: proxyOutline }).optional().catch(undefined),
})

/** Checks that involve several settings; `data` may be anything. */
export function crossCheck(data: unknown): Finding[] {
  const parsed = outline.safeParse(data)
  if (!parsed.success) return []
  const { routes } = parsed.data
  const listeners = outlineListeners(data)
  // If `credentials` is not a map, references to credentials cannot be checked.
  const named = credentialsOutline.safeParse(parsed.data.credentials ?? {}).data
  const credentials = new Map(Object.entries(named ?? {}))
  const names = named && [...credentials.keys(), 'none']

  const findings = checkListeners(data)
  for (const [name, credential] of credentials) {
    if (!/^[A-Za-z\d][\w.-]*$/.test(name) || name === 'none') {
      findings.push(
        error(
          ['credentials', name],
          'expected a name of letters, digits, ".", "_" and "-", and not "none"',
        ),
      )
    }
    const users = routes.flatMap((route, index) =>
      route?.credential === name ? [{ ...route, index }] : [],
    )
    if (credential !== undefined) findings.push(...checkCredential(name, credential, users))
    if (users.length === 0) {
      findings.push({
        ...warning(['credentials', name], 'no route uses this credential'),
        dependsOn: routes.map((_route, index) => ['routes', index, 'credential']),
      })
    }
  }
  findings.push(...checkTokenStore(parsed.data.tokenStore))
  findings.push(...unusedSettings(data), ...suspiciousTexts(data, []))
  findings.push(...listenersWithoutRoute(listeners, routes))
  const listenerNames = listeners.flatMap(({ name }) => (name === undefined ? [] : [name]))
  const isOwn = (url: string): boolean => listenerAt(url, listeners) !== undefined
  const proxies = [
    { at: ['forward', 'proxy'], proxy: parsed.data.forward?.proxy },
    ...[...credentials].map(([name, credential]) => ({
      at: ['credentials', name, 'proxy'],
      proxy: credential?.proxy,
    })),
    ...routes.map((route, index) => ({ at: ['routes', index, 'proxy'], proxy: route?.proxy })),
  ]
  for (const { at, proxy } of proxies) {
    if (proxy !== undefined) findings.push(...checkProxy(at, proxy, isOwn))
  }
  if (parsed.data.forward?.mode === 'deny') {
    findings.push(unused(['forward', 'proxy'], 'expected "mode: pass" beside it'))
  }
  const checkDistinct = createDistinctCheck()
  for (const [index, route] of routes.entries()) {
    if (route === undefined) continue
    findings.push(...checkRoute(index, route, names, listenerNames), ...checkDistinct(index, route))
    const own = route.upstream === undefined ? undefined : listenerAt(route.upstream, listeners)
    if (own !== undefined) {
      findings.push(
        error(
          ['routes', index, 'upstream'],
          `expected another address than that of "${formatKeyPath(own.at)}", because requests would loop`,
        ),
      )
    }
  }
  return findings
}

function listenersWithoutRoute(
  listeners: readonly ListenerOutline[],
  routes: readonly (z.output<typeof routeOutline> | undefined)[],
): Finding[] {
  const isServed = ({ name }: ListenerOutline): boolean =>
    name === undefined ||
    routes.length === 0 ||
    routes.some((route) => route?.listeners?.includes(name) ?? true)
  return listeners
    .filter((listener) => !isServed(listener))
    .map(({ at }) => ({
      ...warning(at, 'no route is for this listener'),
      dependsOn: routes.map((_route, index) => ['routes', index, 'listeners']),
    }))
}

/** Texts that are most likely not meant as they are written. */
function* suspiciousTexts(value: unknown, path: KeyPath): Generator<Finding> {
  if (typeof value === 'string' && value.trim() !== value && path.at(-1) !== 'value') {
    yield warning(path, 'the text begins or ends with whitespace, which is not ignored')
  }
  if (typeof value === 'string' && /^\$[A-Za-z_]\w*$/.test(value) && path.at(-1) !== 'value') {
    yield warning(path, 'the text is used as it is; a variable is written "${NAME}"')
  }
  // An anchor may contain an alias of itself.
  if (typeof value !== 'object' || value === null || path.length > MAX_DEPTH) return
  for (const [key, inner] of Object.entries(value)) {
    yield* suspiciousTexts(inner, [...path, Array.isArray(value) ? Number(key) : key])
  }
}

/** More than any valid file has. */
const MAX_DEPTH = 12
