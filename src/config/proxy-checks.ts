import * as z from 'zod'
import { isLoopbackHost } from '../lib/loopback.ts'
import { error, type Finding, optionalText, present, unused, warning } from './finding.ts'
import type { KeyPath } from './problem.ts'

const secretOutline = z.union([z.string(), z.object({ value: optionalText })])

/** A proxy as a map; undefined where there is none. */
export const proxyOutline = z
  .union([
    z.string().transform((url) => ({ url, urlAt: [] })),
    z
      .object({
        url: optionalText,
        username: secretOutline.optional().catch(''),
        password: secretOutline.optional().catch(''),
        tls: z.object({ ca: present }).optional().catch(undefined),
      })
      .transform((proxy) => ({ ...proxy, urlAt: ['url'] })),
  ])
  .transform((proxy) => (proxy.url === 'none' ? undefined : proxy))
  .optional()
  .catch(undefined)

type ProxyOutline = {
  readonly url?: string | undefined
  /** Where the URL is in the setting. */
  readonly urlAt: KeyPath
  readonly username?: unknown
  readonly password?: string | { readonly value?: string | undefined } | undefined
  readonly tls?: { readonly ca?: unknown } | undefined
}

/** Checks that involve several settings of a proxy; `isOwn` is whether a URL leads to the sidecar itself. */
export function checkProxy(
  at: KeyPath,
  { url = '', urlAt, username, password, tls }: ProxyOutline,
  isOwn: (url: string) => boolean,
): Finding[] {
  const findings: Finding[] = []
  if (isOwn(url)) {
    findings.push(
      error(
        [...at, ...urlAt],
        'expected another address than that of "listen", because requests would loop',
      ),
    )
  }
  if (username === undefined && password !== undefined) {
    findings.push(error([...at, 'username'], 'expected the user name that belongs to "password"'))
  }
  if (username !== undefined && password === undefined) {
    findings.push(error([...at, 'password'], 'expected the password that belongs to "username"'))
  }
  if (tls?.ca !== undefined && /^http:/i.test(url)) {
    findings.push(
      unused([...at, 'tls'], 'expected an "https:" URL beside it, because "http:" has no TLS'),
    )
  }
  if (
    typeof password === 'object' &&
    password.value !== undefined &&
    !isLoopbackHost(URL.parse(url)?.hostname ?? '')
  ) {
    findings.push(
      warning(
        [...at, 'password', 'value'],
        'the secret is part of the configuration file; "file" or "env" keeps it out',
      ),
    )
  }
  return findings
}
