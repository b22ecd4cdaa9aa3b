import * as z from 'zod'
import { credential } from './credential-schema.ts'
import { parseListenAddress } from './listen-address.ts'
import { route } from './route-schema.ts'
import { duration, size } from './value-schemas.ts'

/*
 * The file's shape, every default and the sentence that documents each key, once. From here come
 * the parser, the type Config, config.schema.json and docs/settings.md. Rules that look at more
 * than one key are in cross-checks.ts.
 */

const ADDRESS = 'expected an address such as "127.0.0.1:8080", "[::1]:8080" or "unix:/run/app.sock"'

const listenAddress = z.string({ error: ADDRESS }).transform((value, context) => {
  const address = parseListenAddress(value)
  if (address !== undefined) return address
  context.addIssue({ code: 'custom', message: ADDRESS })
  return z.NEVER
})

export const configSchema = z
  .strictObject({
    listen: listenAddress
      .prefault('127.0.0.1:8080')
      .describe('Where the application sends its requests: `host:port` or `unix:/path`.'),
    admin: listenAddress
      .prefault('127.0.0.1:9090')
      .describe('Metrics, health and status: `host:port` or `unix:/path`.'),
    credentials: z
      .record(z.string(), credential)
      .default({})
      .describe('Clients, by a name of your choice.'),
    routes: z
      .array(route)
      .min(1, { error: 'expected at least one route' })
      .describe('Where requests go, and with which token.'),
    limits: z
      .strictObject({
        headers: size
          .prefault('16KiB')
          .describe('The largest header section of a request or a response.'),
      })
      .prefault({})
      .describe('Sizes beyond which a message is refused.'),
    log: z
      .strictObject({
        level: z
          .enum(['debug', 'info', 'warn', 'error'])
          .default('info')
          .describe('The least important kind of line to write.'),
        access: z.enum(['on', 'off']).default('on').describe('One line for each request.'),
        format: z
          .enum(['auto', 'json', 'pretty'])
          .default('auto')
          .describe('JSON lines, or coloured text; `auto` is text on a terminal.'),
      })
      .prefault({})
      .describe('What is logged, to standard output.'),
    shutdown: z
      .strictObject({
        deadline: duration
          .prefault('25s')
          .describe('How long running requests may take to finish after SIGTERM.'),
      })
      .prefault({})
      .describe('How the process ends.'),
  })
  .meta({ title: 'token-sidecar configuration' })

export type Config = z.output<typeof configSchema>
