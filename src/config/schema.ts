import * as z from 'zod'
import { credential } from './credential-schema.ts'
import { defaultsSchema } from './defaults.ts'
import { interceptSchema } from './intercept-schema.ts'
import { DEFAULT_SOCKET_MODE, isSocketPath, parseListenAddress } from './listen-address.ts'
import { routeSchema } from './route-schema.ts'
import { tokenStore } from './token-store-schema.ts'
import { duration, listenerTls, positiveDuration, size, text } from './value-schemas.ts'

/*
 * The schema of the file, with defaults and descriptions. The parser, the type Config, config.schema.json and
 * docs/settings.md are derived from it. Checks that involve several settings are in cross-checks.ts.
 */

const ADDRESS = 'expected an address such as "127.0.0.1:8080", "[::1]:8080" or "unix:/run/app.sock"'

const addressText = z.string({ error: ADDRESS }).transform((value, context) => {
  const address = parseListenAddress(value)
  if (address !== undefined) return address
  context.addIssue({ code: 'custom', message: ADDRESS })
  return z.NEVER
})

const MODE = 'expected a file mode as quoted octal digits, such as "0600" or "0660"'

const unixSocket = z
  .strictObject({
    unix: text
      .refine(isSocketPath, { error: 'expected a path of at most 107 bytes' })
      .describe('The path of the socket, relative to the working directory.'),
    mode: z
      .string({ error: MODE })
      .regex(/^0?[0-7]{3}$/, { error: MODE })
      .transform((digits) => Number.parseInt(digits, 8))
      .default(DEFAULT_SOCKET_MODE)
      .describe('The mode of the socket file, in quotes: who may connect.'),
  })
  .transform(({ unix, mode }) => ({ kind: 'unix' as const, path: unix, mode }))

const listenAddress = z.union([addressText, unixSocket], { error: ADDRESS })

const tlsListener = z
  .strictObject({
    address: addressText.describe('`host:port`, or `unix:/path`.'),
    tls: listenerTls,
  })
  .transform(({ address, tls }) => ({ ...address, tls }))

const proxyListener = z.union([addressText, unixSocket, tlsListener], { error: ADDRESS })

export const configSchema = z
  .strictObject({
    listen: proxyListener
      .prefault('127.0.0.1:8080')
      .describe(
        'The address that the application sends its requests to: `host:port`, `unix:/path`, a map of `unix` and `mode`, or one of `address` and `tls`.',
      ),
    admin: listenAddress
      .prefault('127.0.0.1:9090')
      .describe('The address for metrics, health and status; written like `listen`.'),
    credentials: z
      .record(z.string(), credential)
      .default({})
      .describe('OAuth clients, by a name of your choice.'),
    routes: z
      .array(routeSchema)
      .min(1, { error: 'expected at least one route' })
      .describe('Which requests are sent where, and with which token.'),
    tokenStore: tokenStore.optional(),
    forward: z
      .enum(['deny', 'pass'])
      .default('deny')
      .describe(
        'What happens to a forward-proxy request (`HTTP_PROXY`) or tunnel (`CONNECT`) that matches no route: `deny` it, or `pass` it on without a token.',
      ),
    intercept: interceptSchema,
    access: z
      .strictObject({
        hosts: z
          .array(
            z.string().regex(/^(?:[\w-]+(?:\.[\w-]+)*|\[[\da-fA-F:.]+\])$/, {
              error: 'expected a host without a port, such as "billing.internal"',
            }),
          )
          .default([])
          .describe(
            'Further names under which the application reaches a listener on the loopback address, besides loopback names and addresses and the hosts of routes.',
          ),
        origins: z
          .array(
            z.string().regex(/^https?:\/\/[^/?#\s]+$/, {
              error: 'expected an origin such as "http://localhost:3000"',
            }),
          )
          .default([])
          .describe('Origins of web pages that may send requests.'),
      })
      .prefault({})
      .describe(
        'Origin checks. By default, requests from web pages and with unknown host names (DNS rebinding) are denied.',
      ),
    via: z
      .string()
      .regex(/^[\w!#$%&'*+\-.^`|~]+$/, {
        error: 'expected a word such as "token-sidecar", or "off"',
      })
      .default('token-sidecar')
      .describe(
        'The pseudonym in the header `Via`, which proxies must send (RFC 9110 section 7.6.3); `off` for none.',
      ),
    limits: z
      .strictObject({
        headers: size
          .prefault('16KiB')
          .describe('The largest header section of a request or a response.'),
        headersTimeout: positiveDuration
          .prefault('60s')
          .describe('How long the header section of a request may take to arrive.'),
        keepAlive: positiveDuration
          .prefault('75s')
          .describe(
            'How long an idle connection of the application stays open; should be longer than the idle timeout of the application.',
          ),
        connections: z
          .int({ error: 'expected a number of connections' })
          .min(1, { error: 'expected at least one connection' })
          .max(1_000_000, { error: 'expected at most a million connections' })
          .default(10_000)
          .describe(
            'The maximum number of open connections of the application; further ones get 503.',
          ),
      })
      .prefault({})
      .describe('Limits on requests and connections of the application.'),
    log: z
      .strictObject({
        level: z
          .enum(['debug', 'info', 'warn', 'error'])
          .default('info')
          .describe('The lowest level that is logged.'),
        access: z
          .enum(['on', 'off'])
          .default('on')
          .describe('One line for each request; failed requests are always logged.'),
        sample: z
          .number({ error: 'expected a number from 0 to 1' })
          .min(0, { error: 'expected a number from 0 to 1' })
          .max(1, { error: 'expected a number from 0 to 1' })
          .default(1)
          .describe(
            'The share of requests that are logged, chosen at random: `0.01` is one in a hundred.',
          ),
        slow: duration
          .prefault('0s')
          .describe(
            'Requests that take longer are logged as warnings, independently of `access` and `sample`; `0s` for none.',
          ),
        query: z
          .boolean()
          .default(false)
          .describe('Log the query with the path; it may contain personal data or secrets.'),
        format: z
          .enum(['auto', 'json', 'pretty'])
          .default('auto')
          .describe('JSON lines, or coloured text; `auto` is coloured text on a terminal.'),
      })
      .prefault({})
      .describe('The log, which is written to standard output.'),
    shutdown: z
      .strictObject({
        delay: duration
          .prefault('0s')
          .describe(
            'How long to keep accepting requests after SIGTERM while `/readyz` already fails, until load balancers stop sending new ones.',
          ),
        deadline: duration
          .prefault('25s')
          .describe('How long pending requests may take to finish after that (drain).'),
        upgraded: duration
          .prefault('5s')
          .describe('How long WebSockets and other tunnels may stay open after `delay`.'),
        quit: z
          .boolean()
          .default(false)
          .describe(
            'Whether `POST /quit` on the admin listener stops the sidecar like SIGTERM, for Jobs on clusters without native sidecars.',
          ),
      })
      .prefault({})
      .describe('Graceful shutdown.'),
  })
  .meta({ title: 'token-sidecar configuration' })

/** The schema of the file: the configuration, and the defaults that are merged into it. */
export const fileSchema = configSchema
  .extend({
    defaults: defaultsSchema
      .prefault({})
      .describe(
        'Settings that routes and credentials have in common; their own settings take precedence.',
      ),
  })
  .meta({ title: 'token-sidecar configuration' })

export type Config = z.output<typeof configSchema>
