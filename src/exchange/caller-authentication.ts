import type { X509Certificate } from 'node:crypto'
import { SidecarError } from '../errors.ts'
import { fieldValues } from '../http/field-lines.ts'
import type { InboundRequest } from '../http/inbound-request.ts'
import type { RequestHead } from '../http/request-head.ts'
import type { CallerRejection } from '../observe/rejected-callers.ts'
import { allowedName, type CertificateNames, commonNamesOf } from './certificate-names.ts'
import type { UserTable } from './user-table.ts'

type Connection = InboundRequest['connection']

/**
 * Returns the name of the caller: its user, or the name of its certificate. Fails with
 * `proxy_authentication_required` or `client_denied` for a caller that the listener does not serve.
 */
export type AuthenticateCaller = (head: RequestHead, connection: Connection) => string | undefined

export type RejectedCaller = {
  readonly reason: CallerRejection
  /** A user of the listener, or the common name of the certificate; undefined if the caller is unknown. */
  readonly caller: string | undefined
  /** Undefined on a Unix socket. */
  readonly address: string | undefined
}

export type CallerAuthenticationOptions = {
  /** Undefined if no user name and password are required. */
  readonly users: UserTable | undefined
  /** Undefined if a client certificate may have any name. */
  readonly certificates: CertificateNames | undefined
  readonly onRejected: (rejected: RejectedCaller) => void
}

/** The access control of one listener. */
export function createCallerAuthentication(
  options: CallerAuthenticationOptions,
): AuthenticateCaller {
  const { users, certificates, onRejected } = options
  /** The allowed name of the certificate of each connection; undefined if it has none. */
  const names = new WeakMap<Connection, string | undefined>()

  function checkCertificate(connection: Connection, allowed: CertificateNames): string {
    const certificate = connection.getPeerX509Certificate?.()
    const name = names.has(connection) ? names.get(connection) : nameOf(certificate, allowed)
    names.set(connection, name)
    if (name !== undefined) return name
    const [caller] = certificate === undefined ? [] : commonNamesOf(certificate)
    onRejected({ reason: 'certificate', caller, address: connection.remoteAddress })
    throw new SidecarError(
      'client_denied',
      'Cannot serve the request: the listener does not allow the client certificate',
    )
  }

  function checkUser(head: RequestHead, connection: Connection, table: UserTable): string {
    const values = fieldValues(head.fields, 'proxy-authorization')
    const address = connection.remoteAddress
    if (values.length === 0) {
      onRejected({ reason: 'no_credentials', caller: undefined, address })
      throw unauthenticated('the listener requires Proxy-Authorization')
    }
    const { username, password } = parseBasic(values) ?? {}
    if (username !== undefined && password !== undefined && table.accepts(username, password)) {
      return username
    }
    // Another text may be a password in the wrong place.
    const caller = username !== undefined && table.hasUser(username) ? username : undefined
    onRejected({ reason: 'invalid_credentials', caller, address })
    throw unauthenticated('the user name or the password in Proxy-Authorization is wrong')
  }

  const authenticate: AuthenticateCaller = (head, connection) => {
    // The CONNECT has the credentials. They are checked for each request, because a user may have been removed.
    const { openedBy } = connection
    if (openedBy !== undefined) return authenticate(openedBy.head, openedBy.connection)
    const certificateName = certificates && checkCertificate(connection, certificates)
    return users === undefined ? certificateName : checkUser(head, connection, users)
  }
  return authenticate
}

function nameOf(
  certificate: X509Certificate | undefined,
  allowed: CertificateNames,
): string | undefined {
  return certificate && allowedName(certificate, allowed)
}

/** RFC 7617 section 2, for exactly one field line; undefined if it is malformed. */
function parseBasic(
  values: readonly string[],
): { readonly username: string; readonly password: string } | undefined {
  const [value = ''] = values
  const token = /^basic +(?<token>[a-z\d+/]+=*)$/i.exec(value)?.groups?.['token']
  if (token === undefined || values.length > 1) return undefined
  const credentials = Buffer.from(token, 'base64').toString('utf8')
  const colonAt = credentials.indexOf(':')
  if (colonAt === -1) return undefined
  return { username: credentials.slice(0, colonAt), password: credentials.slice(colonAt + 1) }
}

function unauthenticated(why: string): SidecarError {
  return new SidecarError('proxy_authentication_required', `Cannot serve the request: ${why}`)
}
