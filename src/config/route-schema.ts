import * as z from 'zod'
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

const match = z
  .strictObject({
    host: z
      .string()
      .regex(/^(?:\*\.)?(?:[\w-]+(?:\.[\w-]+)*|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/, {
        error: 'expected a host such as "api.example.com" or "*.example.com"',
      })
      .optional()
      .describe(
        'The request’s host: exact, or `*.suffix` for any host below it. Without a port, any port.',
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
      .describe('Whole leading path segments: `/orders` matches `/orders/7`, not `/orders-old`.'),
    methods: z
      .array(z.string().regex(/^[A-Z][A-Z-]*$/, { error: 'expected a method such as "GET"' }))
      .min(1, { error: 'expected at least one method' })
      .optional()
      .describe('Only these methods; other routes are tried for the rest.'),
  })
  .describe('Which requests take this route. A host beats no host, then the longest path wins.')

export const routeSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z\d][\w.-]*$/, {
        error: 'expected a name of letters, digits, ".", "_" and "-"',
      })
      .describe('Its name in logs, metrics and errors.'),
    match,
    upstream: httpUrl('https://orders.example.com/v2').describe(
      'Where the request goes. The path given here replaces the matched path.',
    ),
    keepPath: z
      .boolean()
      .default(false)
      .describe('Keep the matched path, behind the path of `upstream`.'),
    keepHost: z
      .boolean()
      .default(false)
      .describe('Keep the request’s `Host` instead of that of `upstream`.'),
    credential: text.describe('The credential whose token is injected, or `none` to only forward.'),
    scopes: scopes.optional().describe('This route’s own scopes instead of the credential’s.'),
    audience: audience
      .optional()
      .describe('This route’s own audience instead of the credential’s.'),
    resource: resource
      .optional()
      .describe('This route’s own resource instead of the credential’s.'),
    inject: z
      .strictObject({
        header: fieldName.default('Authorization').describe('The header that carries the token.'),
        prefix: z
          .string()
          .regex(/^[\x21-\x7e]*$/, { error: 'expected a word such as "Bearer", or nothing' })
          .default('Bearer')
          .describe('What stands before the token, followed by a space; empty for the token alone.')
          .register(settingRoles, { visibility: 'private' }),
      })
      .prefault({})
      .describe('How the token is written into the request.'),
    existingAuthorization: z
      .enum(['replace', 'keep', 'reject'])
      .default('replace')
      .describe('What happens to a header of that name that the application sends itself.'),
    headers: z
      .strictObject({
        set: z
          .record(fieldName, fieldValue)
          .default({})
          .describe('Headers to set, replacing the application’s.'),
        remove: z.array(fieldName).default([]).describe('Headers of the application to leave out.'),
      })
      .prefault({})
      .describe('Changes to the request headers.')
      .register(settingRoles, { visibility: 'private' }),
    forwarded: z
      .enum(['off', 'forwarded', 'x-forwarded', 'both'])
      .default('off')
      .describe(
        'Whether to tell the upstream who asked: `Forwarded` (RFC 7239), `X-Forwarded-For`, `-Host` and `-Proto`, or both.',
      ),
    rewriteLocation: z
      .boolean()
      .default(true)
      .describe(
        'Map `Location`, `Content-Location` and `Refresh` that point at the upstream back to the sidecar.',
      ),
    cookies: z
      .strictObject({
        domain: z
          .enum(['keep', 'drop'])
          .default('keep')
          .describe('`drop` leaves out `Domain`, so that cookies come back to the sidecar.'),
        path: z
          .enum(['keep', 'map'])
          .default('keep')
          .describe('`map` turns `Path` from the upstream’s into the route’s.'),
        secure: z
          .enum(['keep', 'drop'])
          .default('keep')
          .describe(
            '`drop` leaves out `Secure`, for clients that mind that the sidecar is `http:`.',
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
        'How many connections to the upstream may be open; more requests wait their turn. Over HTTP/2 each serves many requests at a time.',
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
          .describe('How long a request waits when no token is in hand.'),
        connect: positiveDuration.prefault('5s').describe('Connection and TLS handshake.'),
        response: duration
          .prefault('60s')
          .describe('From the end of the request to the response’s head; `0s` for no limit.'),
        idle: duration
          .prefault('60s')
          .describe('Silence within the request or the response body; `0s` for no limit.'),
        upgraded: duration
          .prefault('1h')
          .describe(
            'Silence in both directions of a WebSocket or another upgraded connection; `0s` for no limit.',
          ),
      })
      .prefault({})
      .describe('How long each part may take.'),
    tls: certificateAndKey.prefault({}).describe('TLS to the upstream.'),
    retry: z
      .boolean()
      .default(true)
      .describe(
        'Repeat a request that was lost because the upstream closed an idle connection, once and on a new one; only GET, HEAD, OPTIONS, PUT and DELETE.',
      ),
    replay: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Whether it is done at all.'),
        maxBody: size
          .prefault('64KiB')
          .describe('The largest body that is kept for it; larger ones are sent once.'),
      })
      .prefault({})
      .describe(
        'What follows a 401 for a token that should be good: one new token and one more attempt.',
      ),
    readiness: z
      .boolean()
      .default(true)
      .describe('Whether `/readyz` waits for this route’s token.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe('Allow the token to travel over `http:` to another machine, readable on the way.'),
  })
  .describe('One kind of request: how it is recognised, where it goes, which token it gets.')

export type RouteConfig = z.output<typeof routeSchema>
