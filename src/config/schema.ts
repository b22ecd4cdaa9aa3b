import * as z from 'zod'
import { credential } from './credential-schema.ts'
import { defaultsSchema } from './defaults.ts'
import { DEFAULT_SOCKET_MODE, isSocketPath, parseListenAddress } from './listen-address.ts'
import { routeSchema } from './route-schema.ts'
import { duration, listenerTls, positiveDuration, size, text } from './value-schemas.ts'

/*
 * The file's shape, every default and the sentence that documents each key, once. From here come
 * the parser, the type Config, config.schema.json and docs/settings.md. Rules that look at more
 * than one key are in cross-checks.ts.
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
      .describe('The path of the socket, from the working directory.'),
    mode: z
      .string({ error: MODE })
      .regex(/^0?[0-7]{3}$/, { error: MODE })
      .transform((digits) => Number.parseInt(digits, 8))
      .default(DEFAULT_SOCKET_MODE)
      .describe('Who may connect: the mode of the socket file, in quotes.'),
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
        'Where the application sends its requests: `host:port`, `unix:/path`, a map of `unix` and `mode`, or one of `address` and `tls`.',
      ),
    admin: listenAddress
      .prefault('127.0.0.1:9090')
      .describe('Metrics, health and status; written like `listen`.'),
    credentials: z
      .record(z.string(), credential)
      .default({})
      .describe('Clients, by a name of your choice.'),
    routes: z
      .array(routeSchema)
      .min(1, { error: 'expected at least one route' })
      .describe('Where requests go, and with which token.'),
    forward: z
      .enum(['deny', 'pass'])
      .default('deny')
      .describe(
        'What happens to a forward-proxy request (`HTTP_PROXY`) that no route names: `deny`, or `pass` without a token; also for tunnels (`CONNECT`).',
      ),
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
            'Names by which the application calls a listener on the loopback address, besides `localhost` and its like and the hosts of routes.',
          ),
        origins: z
          .array(
            z.string().regex(/^https?:\/\/[^/?#\s]+$/, {
              error: 'expected an origin such as "http://localhost:3000"',
            }),
          )
          .default([])
          .describe('Web pages that may send requests here, by their origin.'),
      })
      .prefault({})
      .describe(
        'Who is served. Web pages in a browser are not, nor names that only an attacker would use.',
      ),
    via: z
      .string()
      .regex(/^[\w!#$%&'*+\-.^`|~]+$/, {
        error: 'expected a word such as "token-sidecar", or "off"',
      })
      .default('token-sidecar')
      .describe(
        'The name in the header `Via`, which proxies have to send (RFC 9110 section 7.6.3); `off` for none.',
      ),
    limits: z
      .strictObject({
        headers: size
          .prefault('16KiB')
          .describe('The largest header section of a request or a response.'),
        headersTimeout: positiveDuration
          .prefault('60s')
          .describe('How long the head of a request may take to arrive.'),
        keepAlive: positiveDuration
          .prefault('75s')
          .describe(
            'How long an idle connection of the application is kept; longer than the application keeps it.',
          ),
        connections: z
          .int({ error: 'expected a number of connections' })
          .min(1, { error: 'expected at least one connection' })
          .max(1_000_000, { error: 'expected at most a million connections' })
          .default(10_000)
          .describe('How many connections of the application may be open; more get 503.'),
      })
      .prefault({})
      .describe('What is more, or takes longer, is refused.'),
    log: z
      .strictObject({
        level: z
          .enum(['debug', 'info', 'warn', 'error'])
          .default('info')
          .describe('The least important kind of line to write.'),
        access: z
          .enum(['on', 'off'])
          .default('on')
          .describe('One line for each request; those that fail get theirs in any case.'),
        sample: z
          .number({ error: 'expected a number from 0 to 1' })
          .min(0, { error: 'expected a number from 0 to 1' })
          .max(1, { error: 'expected a number from 0 to 1' })
          .default(1)
          .describe(
            'The share of requests that get a line, chosen at random: `0.01` is one in a hundred.',
          ),
        slow: duration
          .prefault('0s')
          .describe(
            'Requests that take longer get a warning, whatever `access` and `sample` say; `0s` for none.',
          ),
        query: z
          .boolean()
          .default(false)
          .describe('Log the query with the path; it may hold what nobody wants in a log.'),
        format: z
          .enum(['auto', 'json', 'pretty'])
          .default('auto')
          .describe(
            'JSON lines, or a coloured line for people; `auto` is the latter on a terminal.',
          ),
      })
      .prefault({})
      .describe('What is logged, to standard output.'),
    shutdown: z
      .strictObject({
        delay: duration
          .prefault('0s')
          .describe(
            'How long to go on as before after SIGTERM, with `/readyz` already failing, until nobody sends new requests.',
          ),
        deadline: duration
          .prefault('25s')
          .describe('How long running requests may take to finish after that.'),
        upgraded: duration
          .prefault('5s')
          .describe('How long WebSockets and other tunnels may stay open after that.'),
        quit: z
          .boolean()
          .default(false)
          .describe(
            'Whether `POST /quit` on the admin listener ends the sidecar like SIGTERM, for Jobs on old clusters.',
          ),
      })
      .prefault({})
      .describe('How the process ends.'),
  })
  .meta({ title: 'token-sidecar configuration' })

/** What the file may say: the configuration, and what stands in it only to be merged into that. */
export const fileSchema = configSchema
  .extend({
    defaults: defaultsSchema
      .prefault({})
      .describe('What routes and credentials have in common: what they set themselves wins.'),
  })
  .meta({ title: 'token-sidecar configuration' })

export type Config = z.output<typeof configSchema>
