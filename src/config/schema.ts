import * as z from 'zod'
import { credential } from './credential-schema.ts'
import { defaultsSchema } from './defaults.ts'
import { forward } from './forward-schema.ts'
import { interceptSchema } from './intercept-schema.ts'
import { listenAddress, listeners } from './listen-schema.ts'
import { routeSchema } from './route-schema.ts'
import { tokenStore } from './token-store-schema.ts'
import { duration, positiveDuration, size } from './value-schemas.ts'

/*
 * The schema of the file, with defaults and descriptions. The parser, the type Config, config.schema.json and
 * docs/settings.md are derived from it. Checks that involve several settings are in cross-checks.ts.
 */

export const configSchema = z
  .strictObject({
    listen: listeners
      .prefault('127.0.0.1:8080')
      .describe(
        'The address that the application sends its requests to: `host:port`, `unix:/path`, a map of `unix` and `mode`, or a map of `address` and more. A list of such maps, each with a `name`, opens several listeners.',
      ),
    admin: listenAddress
      .prefault('127.0.0.1:9090')
      .describe(
        'The address for metrics, health and status; `host:port`, `unix:/path`, or a map of `unix` and `mode`.',
      ),
    credentials: z
      .record(z.string(), credential)
      .default({})
      .describe('OAuth clients, by a name of your choice.'),
    routes: z
      .array(routeSchema)
      .min(1, { error: 'expected at least one route' })
      .describe('Which requests are sent where, and with which token.'),
    tokenStore: tokenStore.optional(),
    forward,
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
