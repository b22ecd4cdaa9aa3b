import { isIP } from 'node:net'
import { isLocalName, isLoopbackHost } from '../lib/loopback.ts'
import { error, type Finding, warning } from './finding.ts'
import { valueAt } from './hints.ts'
import { isWildcard, parseListenAddress } from './listen-address.ts'
import { DEFAULT_LISTENER_NAME } from './listen-schema.ts'
import { formatKeyPath, type KeyPath } from './problem.ts'
import { checkTransparentListeners } from './transparent-checks.ts'

/** What the checks need of a listener of the file. */
export type ListenerOutline = {
  /** The path of the listener. */
  readonly at: KeyPath
  /** The path of its address, and the address in the form `host:port` or `unix:/path`; undefined if it is invalid. */
  readonly addressAt: KeyPath
  readonly address: string | undefined
  readonly name: string | undefined
  readonly hasTls: boolean
  /** Whether redirect rules send connections to it. */
  readonly isTransparent: boolean
  readonly hasClientCa: boolean
  /** The path of `auth`, and what it has. */
  readonly auth: {
    readonly at: KeyPath
    readonly users: readonly unknown[]
    readonly hasCertificates: boolean
  }
}

/** The listeners of a file that may be invalid. */
export function outlineListeners(data: unknown): ListenerOutline[] {
  const given = valueAt(data, ['listen'])
  if (given === undefined) return [outlineListener(['listen'], '127.0.0.1:8080')]
  return Array.isArray(given)
    ? given.map((listener: unknown, index) => outlineListener(['listen', index], listener))
    : [outlineListener(['listen'], given)]
}

export function outlineAdmin(data: unknown): ListenerOutline {
  return outlineListener(['admin'], valueAt(data, ['admin']) ?? '127.0.0.1:9090')
}

function outlineListener(at: KeyPath, given: unknown): ListenerOutline {
  const hasAddress = valueAt(given, ['address']) !== undefined
  const name = valueAt(given, ['name']) ?? DEFAULT_LISTENER_NAME
  const users = valueAt(given, ['auth', 'basic'])
  return {
    at,
    ...outlineAddress(hasAddress ? [...at, 'address'] : at, valueAt(given, ['address']) ?? given),
    name: typeof name === 'string' ? name : undefined,
    hasTls: valueAt(given, ['tls']) !== undefined,
    isTransparent: valueAt(given, ['mode']) === 'transparent',
    hasClientCa: valueAt(given, ['tls', 'clientCa']) !== undefined,
    auth: {
      at: [...at, 'auth'],
      users: Array.isArray(users) ? users : [],
      hasCertificates: valueAt(given, ['auth', 'clientCertificates']) !== undefined,
    },
  }
}

function outlineAddress(
  at: KeyPath,
  given: unknown,
): Pick<ListenerOutline, 'addressAt' | 'address'> {
  const path = valueAt(given, ['unix'])
  if (typeof path === 'string') return { addressAt: [...at, 'unix'], address: `unix:${path}` }
  return { addressAt: at, address: typeof given === 'string' ? given : undefined }
}

/** Names and addresses are distinct, and addresses are not reachable by accident. */
export function checkListeners(data: unknown): Finding[] {
  const listeners = outlineListeners(data)
  const admin = outlineAdmin(data)
  return [
    ...duplicateNames(listeners),
    ...duplicateAddresses(listeners, admin, valueAt(data, ['admin']) !== undefined),
    ...checkTransparentListeners(data, listeners),
    ...listeners.flatMap(reachableListener),
    ...listeners.flatMap(checkAuth),
    ...reachable(
      admin,
      'every machine that can connect to this address can read the status and renew tokens; if that is only meant for probes and metrics, restrict access with a network policy or a firewall',
    ),
  ]
}

function duplicateNames(listeners: readonly ListenerOutline[]): Finding[] {
  const byName = new Map<string, ListenerOutline>()
  return listeners.flatMap((listener) => {
    const { at, name } = listener
    const other = name === undefined ? undefined : byName.get(name)
    if (name !== undefined && other === undefined) byName.set(name, listener)
    if (other === undefined) return []
    return {
      ...error([...at, 'name'], 'expected a name that no other listener has'),
      hint: `${formatKeyPath(other.at)} has the same`,
      isAboutUse: true,
    }
  })
}

function duplicateAddresses(
  listeners: readonly ListenerOutline[],
  admin: ListenerOutline,
  isAdminSet: boolean,
): Finding[] {
  const byAddress = new Map<string, ListenerOutline>()
  // The setting that is in the file is the one to change.
  const all = isAdminSet ? [...listeners, admin] : [admin, ...listeners]
  return all.flatMap((listener) => {
    const { address, addressAt } = listener
    // Port 0 is a different free port for each.
    if (address === undefined || address.endsWith(':0')) return []
    const other = byAddress.get(address)
    if (other === undefined) byAddress.set(address, listener)
    return other === undefined
      ? []
      : error(addressAt, `expected another address than that of "${formatKeyPath(other.at)}"`)
  })
}

function reachableListener(listener: ListenerOutline): Finding[] {
  // On all addresses, a transparent listener serves connections from this machine only.
  if (listener.isTransparent && isWildcard(parseListenAddress(listener.address ?? ''))) return []
  if (listener.hasClientCa) return []
  if (listener.auth.users.length > 0) {
    const message =
      'passwords are sent to this address unencrypted; "tls" encrypts them, or 127.0.0.1, [::1] or a Unix socket keeps them on this machine'
    return listener.hasTls ? [] : reachable(listener, message)
  }
  return reachable(
    listener,
    'every machine that can connect to this address can use the tokens; 127.0.0.1, [::1] or a Unix socket limits that to this machine',
  )
}

function reachable({ address, addressAt }: ListenerOutline, message: string): Finding[] {
  const parsed = parseListenAddress(address ?? '')
  return parsed?.kind === 'tcp' && isReachable(parsed.host) ? [warning(addressAt, message)] : []
}

function checkAuth({ auth, hasClientCa, isTransparent }: ListenerOutline): Finding[] {
  const { at, users, hasCertificates } = auth
  if (isTransparent && (users.length > 0 || hasCertificates)) {
    return [
      error(
        at,
        'expected no "auth" with "mode: transparent": redirected clients do not know that there is a proxy',
      ),
    ]
  }
  return [
    ...(hasCertificates && !hasClientCa
      ? [
          error(
            [...at, 'clientCertificates'],
            'expected "tls.clientCa" of the listener, which requires a certificate',
          ),
        ]
      : []),
    ...users.flatMap((user, index) =>
      valueAt(user, ['password', 'value']) === undefined
        ? []
        : [
            warning(
              [...at, 'basic', index, 'password', 'value'],
              'the password is part of the configuration file; "file" or "env" keeps it out',
            ),
          ],
    ),
  ]
}

/** Whether other machines can reach an address; host names are not resolved. */
function isReachable(host: string): boolean {
  // URL parsing normalises addresses: "0" is 0.0.0.0, and "127.1" is 127.0.0.1.
  const name = URL.parse(`http://${host.includes(':') ? `[${host}]` : host}`)?.hostname ?? ''
  return isIP(name.replace(/^\[|\]$/g, '')) !== 0 && !isLoopbackHost(name)
}

/** The listener at which a request to this URL would arrive. */
export function listenerAt(
  url: string,
  listeners: readonly ListenerOutline[],
): ListenerOutline | undefined {
  const { hostname, port, protocol } = URL.parse(url) ?? {}
  return listeners.find(({ address, hasTls }) => {
    const own = parseListenAddress(address ?? '')
    return (
      own?.kind === 'tcp' &&
      own.port !== 0 &&
      protocol === (hasTls ? 'https:' : 'http:') &&
      Number(port === '' ? (hasTls ? 443 : 80) : port) === own.port &&
      hostname !== undefined &&
      (isLocalName(hostname) || hostname === own.host)
    )
  })
}
