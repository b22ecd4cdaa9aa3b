import * as z from 'zod'
import { DEFAULT_SOCKET_MODE, isSocketPath, parseListenAddress } from './listen-address.ts'
import { listenerAuth } from './listener-auth-schema.ts'
import { listenerTls, text } from './value-schemas.ts'

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

export const listenAddress = z.union([addressText, unixSocket], { error: ADDRESS })

export const DEFAULT_LISTENER_NAME = 'default'

const listener = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z\d][\w.-]*$/, { error: 'expected a name of letters, digits, ".", "_" and "-"' })
    .default(DEFAULT_LISTENER_NAME)
    .describe('Its name in the log, in `/status` and on the command line; each has another.'),
  address: listenAddress.describe('`host:port`, `unix:/path`, or a map of `unix` and `mode`.'),
  mode: z
    .enum(['proxy', 'transparent'])
    .default('proxy')
    .describe(
      '`transparent` for connections that redirect rules send here instead of to the host that the application calls.',
    ),
  tls: listenerTls.optional(),
  auth: listenerAuth.optional(),
})

/** One listener as an address or a map, or a list of listeners. */
export const listeners = z
  .union(
    [
      addressText,
      unixSocket,
      listener,
      z.array(listener).min(1, { error: 'expected at least one listener' }),
    ],
    { error: `${ADDRESS}, a map or a list of maps` },
  )
  .transform((given): ListenerConfig[] => {
    if (Array.isArray(given)) return given
    return [
      'kind' in given ? { name: DEFAULT_LISTENER_NAME, address: given, mode: 'proxy' } : given,
    ]
  })

export type ListenerConfig = Readonly<z.output<typeof listener>>
