import * as z from 'zod'
import { parseListenAddress } from './listen-address.ts'
import { DURATION_PATTERN, parseDurationMs, parseSizeBytes, SIZE_PATTERN } from './units.ts'

/*
 * The file's shape, every default and the sentence that documents each key, once. From here come
 * the parser, the type Config, config.schema.json and docs/settings.md.
 *
 * An `error` completes the sentence that starts with the key: "routes[0].upstream: expected …".
 * Rules that look at more than one key are in cross-checks.ts.
 */

const duration = z
  .string({ error: 'expected a duration such as "500ms", "30s" or "5m"' })
  .regex(DURATION_PATTERN, { error: 'expected a duration such as "500ms", "30s" or "5m"' })
  .transform(parseDurationMs)

const size = z
  .string({ error: 'expected a size such as "512B", "16KiB" or "10MiB"' })
  .regex(SIZE_PATTERN, { error: 'expected a size such as "512B", "16KiB" or "10MiB"' })
  .transform(parseSizeBytes)

const listenAddress = z.string().transform((text, context) => {
  const address = parseListenAddress(text)
  if (address !== undefined) return address
  context.addIssue({
    code: 'custom',
    message: 'expected an address such as "127.0.0.1:8080", "[::1]:8080" or "unix:/run/app.sock"',
  })
  return z.NEVER
})

const text = z.string().min(1, { error: 'expected some text' })

function httpUrl(example: string) {
  const error = `expected an http(s) URL without user, query or fragment, such as "${example}"`
  return z.string({ error }).refine(isPlainHttpUrl, { error })
}

/** A list for which the file may also have a single value. */
function oneOrMore(item: z.ZodString) {
  return z.union([item.transform((value) => [value]), z.array(item)])
}

// RFC 6749 appendix A.4: what a scope may be made of; a space would make it two.
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, {
  error: 'expected one scope: no spaces, quotes or backslashes',
})

// RFC 6749 appendix A.1 and A.2: servers refuse anything outside of it, with any client method.
const visibleAscii = z
  .string()
  .regex(/^[\x20-\x7e]+$/, { error: 'expected printable ASCII characters' })

// RFC 8707 section 2.
const resourceUri = z.string().refine((value) => URL.canParse(value) && !value.includes('#'), {
  error: 'expected an absolute URI without a fragment, such as "https://api.example.com/"',
})

// RFC 9110 section 5.1.
const fieldName = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/, { error: 'expected a header name such as "X-Tenant"' })

const fieldValue = z
  .string()
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, { error: 'expected a header value without line breaks' })

const caFile = z
  .strictObject({
    file: text.describe('A PEM file with one or more certificates.'),
  })
  .describe('Certificates to trust instead of the system’s.')

const clientSecret = z
  .strictObject({
    file: text
      .optional()
      .describe('A file that holds the secret; a line break at its end is ignored.'),
    env: text.optional().describe('The environment variable that holds the secret.'),
    value: text
      .optional()
      .describe('The secret itself. For demonstrations; anything else is warned about.'),
  })
  .refine((secret) => Object.values(secret).filter((given) => given !== undefined).length === 1, {
    error: 'expected exactly one of "file", "env" and "value"',
    when: ({ value }) => typeof value === 'object',
  })
  .meta({ minProperties: 1, maxProperties: 1 })
  .describe('Where the client secret comes from. Files are read anew for each token request.')

const clientAuth = z
  .discriminatedUnion('method', [
    z.strictObject({
      method: z
        .literal('client_secret_basic')
        .optional()
        .describe('In the Authorization header (RFC 6749 section 2.3.1). The default.'),
      clientSecret,
    }),
    z.strictObject({
      method: z
        .literal('client_secret_post')
        .describe('In the request body (RFC 6749 section 2.3.1).'),
      clientSecret,
    }),
  ])
  .describe('How the client proves to the authorization server who it is.')

const scopes = z.array(scope)
const audience = oneOrMore(text)
const resource = oneOrMore(resourceUri)

const credential = z
  .strictObject({
    issuer: httpUrl('https://login.example.com/realms/corp')
      .optional()
      .describe(
        'The authorization server’s issuer identifier; its token endpoint is discovered (RFC 8414).',
      ),
    tokenEndpoint: httpUrl('https://login.example.com/oauth2/token')
      .optional()
      .describe(
        'The token endpoint itself, for servers without discovery. Either this or `issuer`.',
      ),
    clientId: visibleAscii.describe('The client identifier that the authorization server issued.'),
    auth: clientAuth,
    scopes: scopes.default([]).describe('The scopes to ask for.'),
    audience: audience
      .default([])
      .describe('The `audience` parameter, for servers that know it; one or several.'),
    resource: resource.default([]).describe('The `resource` parameter (RFC 8707); one or several.'),
    parameters: z
      .record(z.string(), z.string())
      .default({})
      .describe('Any further form parameters for the token request.'),
    tls: z
      .strictObject({ ca: caFile.optional() })
      .prefault({})
      .describe('TLS to the authorization server.'),
    timeout: duration
      .prefault('10s')
      .describe('How long one token request may take, discovery included.'),
    refresh: z
      .strictObject({
        leeway: duration
          .prefault('60s')
          .describe('How long before it expires a token is renewed; at most half of its lifetime.'),
        jitter: duration
          .prefault('10s')
          .describe('By up to this much earlier, at random; at most a tenth of the lifetime.'),
      })
      .prefault({})
      .describe('When a token is renewed in the background.'),
    defaultLifetime: duration
      .prefault('5m')
      .describe(
        'The lifetime of a token whose server does not tell it (no `expires_in`, no `exp`).',
      ),
    prefetch: z
      .boolean()
      .default(true)
      .describe('Whether tokens are fetched at start-up, and readiness waits for them.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe(
        'Allow an authorization server at `http:` on another machine. The secret is then readable on the way.',
      ),
  })
  .describe('One client registered at one authorization server.')

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

const route = z
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
          .describe(
            'What stands before the token, followed by a space; empty for the token alone.',
          ),
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
      .describe('Changes to the request headers.'),
    timeouts: z
      .strictObject({
        token: duration
          .prefault('10s')
          .describe('How long a request waits when no token is in hand.'),
        connect: duration.prefault('5s').describe('Connection and TLS handshake.'),
        response: duration
          .prefault('60s')
          .describe('From the request to the response’s head; `0s` for no limit.'),
        idle: duration
          .prefault('60s')
          .describe('Silence within the response body; `0s` for no limit.'),
      })
      .prefault({})
      .describe('How long each part may take.'),
    tls: z.strictObject({ ca: caFile.optional() }).prefault({}).describe('TLS to the upstream.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe('Allow the token to travel over `http:` to another machine, readable on the way.'),
  })
  .describe('One kind of request: how it is recognised, where it goes, which token it gets.')

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
export type CredentialConfig = Config['credentials'][string]
export type RouteConfig = Config['routes'][number]
export type SecretRef = z.output<typeof clientSecret>

function isPlainHttpUrl(value: string): boolean {
  const url = URL.parse(value)
  return (
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' &&
    url.password === '' &&
    url.search === '' &&
    url.hash === '' &&
    !/[\s\\?#]/.test(value)
  )
}
