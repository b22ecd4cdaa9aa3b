import * as z from 'zod'
import { settingRoles } from './setting-roles.ts'
import { certificateAndKey, secretRef } from './value-schemas.ts'

const PROXY_URL = 'expected an http(s) URL without a path, such as "http://proxy.example.com:3128"'
const WITHOUT_USER =
  'expected a URL without user name and password: "username" and "password" beside "url" keep them in files'

const proxyUrl = z.string({ error: PROXY_URL }).superRefine((value, context) => {
  const message = urlFault(value)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

function urlFault(value: string): string | undefined {
  const url = URL.parse(value)
  if (url === null || !/^https?:\/\//i.test(value)) return PROXY_URL
  if (url.username !== '' || url.password !== '') return WITHOUT_USER
  return /^https?:\/\/[^/?#\s\\]+\/?$/i.test(value) ? undefined : PROXY_URL
}

// RFC 7617 section 2: a user name contains no colon.
const USER_NAME = 'expected a user name of printable ASCII characters without ":"'
const userName = z.string().regex(/^[\x20-\x39\x3b-\x7e]+$/, { error: USER_NAME })

const proxyMap = z.strictObject({
  url: proxyUrl.describe(
    'The proxy: `http:`, or `https:` for TLS to the proxy itself. The default ports are 80 and 443.',
  ),
  username: z
    .union([userName, secretRef], { error: USER_NAME })
    .optional()
    .describe('The user name (RFC 7617), or where it is stored.')
    .register(settingRoles, { reference: 'user name', isIndivisible: true }),
  password: secretRef
    .optional()
    .describe('The password. A file is read again when it changes.')
    .register(settingRoles, { reference: 'secret', isIndivisible: true }),
  tls: z
    .strictObject({ ca: certificateAndKey.shape.ca })
    .prefault({})
    .describe('TLS to an `https:` proxy.'),
})

/** A proxy for outbound connections. */
export type ProxyConfig = z.output<typeof proxyMap>

const PROXY = `${PROXY_URL}, a map with "url", or "none"`

/** A URL, or a map with more; undefined for `none`, which overrides a default. */
export const proxySetting = z
  .union(
    [
      z
        .string({ error: PROXY })
        .superRefine((value, context) => {
          const message = value === 'none' ? undefined : urlFault(value)
          if (message !== undefined) context.addIssue({ code: 'custom', message })
        })
        .transform((url) => (url === 'none' ? undefined : proxyMap.parse({ url }))),
      proxyMap,
    ],
    { error: PROXY },
  )
  .optional()
  // A default user name and password must not be sent to another proxy.
  .register(settingRoles, { visibility: 'private', isIndivisible: true })
