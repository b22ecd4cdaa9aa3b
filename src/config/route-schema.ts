import * as z from 'zod'
import { proxySetting } from './proxy-schema.ts'
import { settingRoles } from './setting-roles.ts'
import {
  audience,
  certificateAndKey,
  duration,
  fieldName,
  fieldValue,
  httpUrl,
  positiveDuration,
  resource,
  scopes,
  size,
  text,
} from './value-schemas.ts'

const HOST = 'expected a host such as "api.example.com" or "*.example.com"'

const match = z
  .strictObject({
    host: z
      .string()
      .regex(/^(?:\*\.)?(?:[\w-]+(?:\.[\w-]+)*|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/, {
        error: HOST,
      })
      .refine((host) => Number(/:(\d+)$/.exec(host)?.[1] ?? 0) <= 65_535, { error: HOST })
      .optional()
      .describe(
        'The host of the request: exact, or `*.suffix` for all its subdomains. Without a port, any port.',
      ),
    path: z
      .string()
      .regex(/^\/(?:[\w\-.~!$&'()*+,;=:@]+\/)*[\w\-.~!$&'()*+,;=:@]*$/, {
        error: 'expected a path such as "/orders", without escapes, empty segments or a query',
      })
      .refine((path) => !path.split('/').some((segment) => segment === '.' || segment === '..'), {
        error: 'expected a path without "." and ".." segments',
      })
      .prefault('/')
      .describe(
        'A path prefix of whole segments: `/orders` matches `/orders/7`, not `/orders-old`.',
      ),
    methods: z
      .array(
        z
          .string()
          .regex(/^[A-Z][A-Z-]*$/, { error: 'expected a method such as "GET"' })
          .refine((method) => method !== 'CONNECT' && method !== 'TRACE', {
            error:
              'expected another method: "forward" decides about tunnels (CONNECT), and TRACE is rejected',
          }),
      )
      .min(1, { error: 'expected at least one method' })
      .optional()
      .describe('Only these methods; other routes may match the rest.'),
  })
  .describe(
    'Which requests match this route. A route with a matching host takes precedence, then the longest path.',
  )

export const routeSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z\d][\w.-]*$/, {
        error: 'expected a name of letters, digits, ".", "_" and "-"',
      })
      .describe('Its name in logs, metrics and errors.'),
    match,
    listeners: z
      .array(text)
      .min(1, { error: 'expected at least one listener' })
      .optional()
      .describe('The names of the listeners that serve the route; by default all of them.'),
    upstream: httpUrl('https://orders.example.com/v2').describe(
      'The base URL of the API. Its path replaces the matched path.',
    ),
    keepPath: z
      .boolean()
      .default(false)
      .describe('Keep the matched path and append it to the path of `upstream`.'),
    keepHost: z
      .boolean()
      .default(false)
      .describe('Keep the request’s `Host` instead of that of `upstream`.'),
    credential: text.describe(
      'The credential whose token is injected, or `none` to forward without a token.',
    ),
    scopes: scopes
      .optional()
      .describe('The scopes of this route, instead of those of the credential.'),
    audience: audience
      .optional()
      .describe('The audience of this route, instead of that of the credential.'),
    resource: resource
      .optional()
      .describe('The resource of this route, instead of that of the credential.'),
    inject: z
      .strictObject({
        header: fieldName.default('Authorization').describe('The header that carries the token.'),
        prefix: z
          .string()
          .regex(/^[\x21-\x7e]*$/, { error: 'expected a word such as "Bearer", or nothing' })
          .default('Bearer')
          .describe('The scheme before the token, followed by a space; empty for the token alone.')
          .register(settingRoles, { visibility: 'private' }),
      })
      .prefault({})
      .describe('How the token is added to the request.'),
    existingAuthorization: z
      .enum(['replace', 'keep', 'reject'])
      .default('replace')
      .describe('What happens to that header if the application sends it itself.'),
    headers: z
      .strictObject({
        set: z
          .record(fieldName, fieldValue)
          .default({})
          .describe('Headers to set, replacing the application’s.'),
        remove: z.array(fieldName).default([]).describe('Headers of the application to remove.'),
      })
      .prefault({})
      .describe('Changes to the request headers.')
      .register(settingRoles, { visibility: 'private' }),
    forwarded: z
      .enum(['off', 'forwarded', 'x-forwarded', 'both'])
      .default('off')
      .describe(
        'Whether to send information about the client: `Forwarded` (RFC 7239), `X-Forwarded-For`, `-Host` and `-Proto`, or both.',
      ),
    rewriteLocation: z
      .boolean()
      .default(true)
      .describe(
        'Rewrite URLs in `Location`, `Content-Location` and `Refresh` that point to the upstream so that they point to the sidecar.',
      ),
    cookies: z
      .strictObject({
        domain: z
          .enum(['keep', 'drop'])
          .default('keep')
          .describe('`drop` removes `Domain`, so that clients send the cookies to the sidecar.'),
        path: z
          .enum(['keep', 'map'])
          .default('keep')
          .describe('`map` replaces the path of `upstream` in `Path` by that of the route.'),
        secure: z
          .enum(['keep', 'drop'])
          .default('keep')
          .describe(
            '`drop` removes `Secure`, for clients that do not send such cookies to an `http:` URL.',
          ),
      })
      .prefault({})
      .describe('Changes to the cookies that the upstream sets.'),
    connections: z
      .int({ error: 'expected a number of connections' })
      .min(1, { error: 'expected at least one connection' })
      .max(65_535, { error: 'expected at most 65535 connections' })
      .default(1024)
      .describe(
        'The maximum number of connections to the upstream; further requests are queued. Over HTTP/2 each connection carries many requests at a time.',
      ),
    http2: z
      .enum(['auto', 'always', 'never'])
      .default('auto')
      .describe(
        'Whether to use HTTP/2 with the upstream: `auto` if the server chooses it (ALPN), and never over `http:`; `always` requires it, over `http:` with prior knowledge; `never` uses HTTP/1.1.',
      ),
    timeouts: z
      .strictObject({
        token: positiveDuration
          .prefault('10s')
          .describe('How long a request waits for a token if none is cached.'),
        connect: positiveDuration
          .prefault('5s')
          .describe('Time limit for the connection and the TLS handshake.'),
        response: duration
          .prefault('60s')
          .describe(
            'From the end of the request to the header section of the response; `0s` for no limit.',
          ),
        idle: duration
          .prefault('60s')
          .describe('Idle timeout within the request or the response body; `0s` for no limit.'),
        upgraded: duration
          .prefault('1h')
          .describe(
            'Idle timeout of a WebSocket or another upgraded connection, in both directions; `0s` for no limit.',
          ),
      })
      .prefault({})
      .describe('Time limits of a request.'),
    tls: certificateAndKey.prefault({}).describe('TLS to the upstream.'),
    proxy: proxySetting.describe(
      'The proxy through which the upstream is reached: a URL, a map, or `none`. `NO_PROXY` is not consulted.',
    ),
    retry: z
      .boolean()
      .default(true)
      .describe(
        'Retry a request once on a new connection if the upstream closed an idle connection (stale connection); only GET, HEAD, OPTIONS, PUT and DELETE.',
      ),
    replay: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Whether requests are replayed.'),
        maxBody: size
          .prefault('64KiB')
          .describe(
            'The largest request body that is buffered for a replay; requests with larger ones are not replayed.',
          ),
      })
      .prefault({})
      .describe('Replay after a 401 for a token that has not expired: once, with a new token.'),
    readiness: z
      .boolean()
      .default(true)
      .describe('Whether `/readyz` waits for this route’s token.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe('Allow sending the token unencrypted (`http:`) to another machine.'),
  })
  .describe('Which requests match, where they are sent, and which token they get.')

export type RouteConfig = z.output<typeof routeSchema>
