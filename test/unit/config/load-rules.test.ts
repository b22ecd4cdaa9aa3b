import { expect, test } from 'vitest'
import { faultsOf, type Given, loadText, problemsOf, warningsOf } from '../../helpers/problems.ts'
import { createSigningKey } from '../../helpers/signing-keys.ts'

test('omitted settings have defaults', async () => {
  const text = `
credentials:
  corp:
    issuer: https://login.example.com
    clientId: legacy-billing
    auth: { clientSecret: { env: CORP_SECRET } }
routes:
  - name: orders
    match: { host: orders.example.com }
    upstream: https://orders.example.com
    credential: corp
`
  expect(await loadText(text, { env: { CORP_SECRET: 's' } })).toEqual({
    ok: true,
    warnings: [],
    unchecked: [],
    config: {
      listen: [
        {
          name: 'default',
          address: { kind: 'tcp', host: '127.0.0.1', port: 8080 },
          mode: 'proxy',
        },
      ],
      admin: { kind: 'tcp', host: '127.0.0.1', port: 9090 },
      credentials: {
        corp: {
          issuer: 'https://login.example.com',
          clientId: 'legacy-billing',
          auth: { clientSecret: { env: 'CORP_SECRET' }, encoding: 'form' },
          grant: { type: 'client_credentials' },
          headers: {},
          scopes: [],
          audience: [],
          resource: [],
          parameters: {},
          tls: { minVersion: 'TLSv1.2' },
          timeout: 10_000,
          refresh: { leeway: 60_000, jitter: 10_000 },
          defaultLifetime: 300_000,
          prefetch: true,
          share: true,
          allowPlaintext: false,
        },
      },
      routes: [
        {
          name: 'orders',
          match: { host: 'orders.example.com', path: '/' },
          upstream: 'https://orders.example.com',
          keepPath: false,
          keepHost: false,
          forwarded: 'off',
          rewriteLocation: true,
          cookies: { domain: 'keep', path: 'keep', secure: 'keep' },
          connections: 1024,
          retry: true,
          credential: 'corp',
          inject: { header: 'Authorization', prefix: 'Bearer' },
          existingAuthorization: 'replace',
          headers: { set: {}, remove: [] },
          http2: 'auto',
          replay: { enabled: true, maxBody: 65_536 },
          readiness: true,
          timeouts: {
            token: 10_000,
            connect: 5_000,
            response: 60_000,
            idle: 60_000,
            upgraded: 3_600_000,
          },
          tls: { minVersion: 'TLSv1.2' },
          allowPlaintext: false,
        },
      ],
      forward: { mode: 'deny' },
      access: { hosts: [], origins: [] },
      via: 'token-sidecar',
      limits: {
        headers: 16_384,
        headersTimeout: 60_000,
        keepAlive: 75_000,
        connections: 10_000,
      },
      log: {
        level: 'info',
        access: 'on',
        sample: 1,
        slow: 0,
        query: false,
        format: 'auto',
      },
      shutdown: { delay: 0, deadline: 25_000, upgraded: 5_000, quit: false },
    },
  })
})

const PLAINTEXT_SECRET =
  'expected an https URL, because the client secret would be sent unencrypted; "allowPlaintext: true" permits it'
const PLAINTEXT_TOKEN =
  'expected an https URL, because the token would be sent unencrypted; "allowPlaintext: true" permits it'

const ENVIRONMENT = { files: { 'ec.pem': createSigningKey('ES256').text('PKCS#8') } }

type Rule = Given & { readonly what: string; readonly faults: readonly string[] }

/** The problems of an otherwise valid configuration; only the beginning of each message is compared. */
const REJECTED: readonly Rule[] = [
  {
    what: 'a socket mode that YAML parses as a decimal number',
    top: { listen: { unix: '/run/app.sock', mode: 660 } },
    faults: ['listen.mode: expected a file mode as quoted octal digits'],
  },
  {
    what: 'a socket mode with a digit that is not octal',
    top: { listen: { unix: '/run/app.sock', mode: '0680' } },
    faults: ['listen.mode: expected a file mode as quoted octal digits'],
  },
  {
    what: 'one socket for both listeners, written in two ways',
    top: { listen: { unix: '/run/app.sock' }, admin: 'unix:/run/app.sock' },
    faults: ['admin: expected another address than that of "listen"'],
  },
  {
    what: 'a route to the listener itself',
    top: { listen: '127.0.0.1:8081' },
    route: { upstream: 'http://localhost:8081/orders' },
    faults: [
      'routes[0].upstream: expected another address than that of "listen", because requests would loop',
    ],
  },
  {
    what: 'an unknown value of forward',
    top: { forward: 'allow' },
    faults: ['forward: expected "deny" or "pass"'],
  },
  {
    what: 'a host of access.hosts with a port',
    top: { access: { hosts: ['billing.internal:8080'] } },
    faults: ['access.hosts[0]: expected a host without a port'],
  },
  {
    what: 'an origin with a path',
    top: { access: { origins: ['http://localhost:3000/'] } },
    faults: ['access.origins[0]: expected an origin such as'],
  },
  {
    what: 'a Via pseudonym with a space',
    top: { via: 'token sidecar' },
    faults: ['via: expected a word such as "token-sidecar", or "off"'],
  },
  {
    what: 'connection limits of 0 and 1.5',
    top: { limits: { connections: 0 } },
    route: { connections: 1.5 },
    faults: [
      'routes[0].connections: expected a number of connections',
      'limits.connections: expected at least one connection',
    ],
  },
  {
    what: 'TLS 1.1 as the minimum version',
    route: { tls: { minVersion: 'TLSv1.1' } },
    faults: ['routes[0].tls.minVersion: expected "TLSv1.2" or "TLSv1.3"'],
  },
  {
    what: 'a credential without a server',
    credential: { tokenEndpoint: undefined },
    faults: ['credentials.corp: expected "issuer", "tokenEndpoint" or "provider", got none'],
  },
  {
    what: 'an issuer that is a number',
    credential: { tokenEndpoint: undefined, issuer: 7 },
    faults: ['credentials.corp.issuer: expected an http(s) URL'],
  },
  {
    what: 'a credential with two servers',
    credential: { issuer: 'https://login.example.com' },
    faults: ['credentials.corp.tokenEndpoint: expected '],
  },
  {
    what: 'a secret without file, env and value',
    credential: { auth: { clientSecret: {} } },
    faults: [
      'credentials.corp.auth.clientSecret: expected exactly one of "file", "env" and "value"',
    ],
  },
  {
    what: 'a secret with both env and value',
    credential: { auth: { clientSecret: { env: 'CORP_SECRET', value: 's' } } },
    faults: [
      'credentials.corp.auth.clientSecret: expected exactly one of "file", "env" and "value"',
    ],
  },
  {
    what: 'an empty "clientSecret:"',
    credential: { auth: { clientSecret: null } },
    faults: ['credentials.corp.auth.clientSecret: expected a map'],
  },
  {
    what: 'a secret that is a list',
    credential: { auth: { clientSecret: ['s'] } },
    faults: ['credentials.corp.auth.clientSecret: expected a map'],
  },
  {
    what: 'a credential without authentication',
    credential: { auth: undefined },
    faults: ['credentials.corp.auth: expected a map, got nothing'],
  },
  {
    what: 'a client identifier with a line break',
    credential: { clientId: 'a\nb' },
    faults: ['credentials.corp.clientId: expected printable ASCII characters'],
  },
  {
    what: 'a client identifier that is empty',
    credential: { clientId: '' },
    faults: ['credentials.corp.clientId: expected '],
  },
  {
    what: 'two scopes in one',
    credential: { scopes: ['orders.read orders.write'] },
    faults: ['credentials.corp.scopes[0]: expected one scope: no spaces, quotes or backslashes'],
  },
  {
    what: 'a resource with a fragment',
    credential: { resource: ['https://api.example.com', 'https://api.example.com/#a'] },
    faults: ['credentials.corp.resource[1]: expected an absolute URI without a fragment'],
  },
  {
    what: 'a resource that is not a URI',
    credential: { resource: 'api' },
    faults: ['credentials.corp.resource: expected an absolute URI without a fragment'],
  },
  {
    what: 'a parameter that is a number',
    credential: { parameters: { max_age: 60 } },
    faults: ['credentials.corp.parameters.max_age: expected a string'],
  },
  {
    what: 'a token endpoint with a fragment',
    credential: { tokenEndpoint: 'https://login.example.com/token#a' },
    faults: ['credentials.corp.tokenEndpoint: expected an http(s) URL without user or fragment'],
  },
  {
    what: 'a token endpoint with another scheme',
    credential: { tokenEndpoint: 'ftp://login.example.com/token' },
    faults: ['credentials.corp.tokenEndpoint: expected an http(s) URL'],
  },
  {
    what: 'a token endpoint over plain HTTP',
    credential: { tokenEndpoint: 'http://login.example.com/token' },
    faults: [`credentials.corp.tokenEndpoint: ${PLAINTEXT_SECRET}`],
  },
  {
    what: 'an issuer over plain HTTP',
    credential: { tokenEndpoint: undefined, issuer: 'http://login.example.com' },
    faults: [`credentials.corp.issuer: ${PLAINTEXT_SECRET}`],
  },
  {
    what: 'a plaintext token endpoint whose host only begins with localhost',
    credential: { tokenEndpoint: 'http://localhost.evil.example/token' },
    faults: [`credentials.corp.tokenEndpoint: ${PLAINTEXT_SECRET}`],
  },
  {
    what: 'a token endpoint over plain HTTP that only a route permits',
    credential: { tokenEndpoint: 'http://login.example.com/token' },
    route: { allowPlaintext: true },
    faults: [`credentials.corp.tokenEndpoint: ${PLAINTEXT_SECRET}`],
  },
  {
    what: 'a provider over plain HTTP',
    credential: {
      tokenEndpoint: undefined,
      provider: { name: 'keycloak', url: 'http://keycloak.example.com', realm: 'corp' },
    },
    faults: [`credentials.corp.provider.url: ${PLAINTEXT_SECRET}`],
  },
  {
    what: 'a provider as a string',
    credential: { tokenEndpoint: undefined, provider: 'entra' },
    faults: ['credentials.corp.provider: expected a map, got a string'],
  },
  {
    what: 'an unknown provider',
    credential: { tokenEndpoint: undefined, provider: { name: 'entar', tenant: 'corp' } },
    faults: ['credentials.corp.provider.name: expected "entra" or "okta"'],
  },
  {
    what: 'the provider Auth0 without an audience',
    credential: {
      tokenEndpoint: undefined,
      provider: { name: 'auth0', domain: 'example.eu.auth0.com' },
    },
    faults: ['credentials.corp.audience: expected the audience, which Auth0 requires'],
  },
  {
    what: 'the provider Google without the grant jwt_bearer',
    credential: { tokenEndpoint: undefined, provider: { name: 'google' } },
    faults: ['credentials.corp.grant.type: expected "jwt_bearer"'],
  },
  {
    what: 'the provider Apigee without a token endpoint',
    credential: { tokenEndpoint: undefined, provider: { name: 'apigee' } },
    faults: ['credentials.corp.tokenEndpoint: expected the token endpoint, as every API proxy'],
  },
  ...['mac', 'N_A', 'DPoP', 'dpop', 'PoP'].map((tokenType) => ({
    what: `the token type ${tokenType}`,
    credential: { tokenType },
    faults: ['credentials.corp.tokenType: expected a type of bearer tokens'],
  })),
  ...['', ' ', 'a  b', 'a\tb', 'gr\u00FCn'].map((tokenType) => ({
    what: `the token type ${JSON.stringify(tokenType)}`,
    credential: { tokenType },
    faults: ['credentials.corp.tokenType: expected a type such as "Bearer"'],
  })),
  {
    what: 'an assertion type that is not a URI',
    credential: {
      auth: { method: 'client_assertion_file', file: 'ec.pem', assertionType: 'JWT Bearer' },
    },
    faults: ['credentials.corp.auth.assertionType: expected an absolute URI'],
  },
  {
    what: 'the parameter scope beside scopes',
    credential: { scopes: ['a'], parameters: { scope: 'b' } },
    faults: ['credentials.corp.parameters.scope: expected a parameter that "scopes" does not set'],
  },
  {
    what: 'the parameter grant_type',
    credential: { parameters: { grant_type: 'password' } },
    faults: [
      'credentials.corp.parameters.grant_type: expected a parameter that "grant.type" does not',
    ],
  },
  ...['Authorization', 'accept', 'DPoP', 'content-type', 'Content-Length', 'Expect'].map(
    (name) => ({
      what: `the header ${name} for the token request`,
      credential: { headers: { [name]: 'a' } },
      faults: ['credentials.corp.headers'],
    }),
  ),
  {
    what: 'the header member alg of an assertion',
    credential: {
      auth: {
        method: 'private_key_jwt',
        key: { file: 'ec.pem' },
        algorithm: 'ES256',
        header: { alg: 'none' },
      },
    },
    faults: ['credentials.corp.auth.header.alg: expected "algorithm"'],
  },
  {
    what: 'a claim that the grant sets itself',
    credential: {
      auth: { method: 'none' },
      grant: {
        type: 'jwt_bearer',
        key: { file: 'ec.pem' },
        algorithm: 'ES256',
        claims: { exp: 1 },
      },
    },
    faults: ['credentials.corp.grant.claims.exp: expected a claim that the grant does not set'],
  },
  {
    what: 'a credential without a client identifier',
    credential: { clientId: undefined },
    faults: ['credentials.corp.clientId: expected the client identifier, got nothing'],
  },
  {
    what: 'a misspelt client identifier',
    credential: { clientId: undefined, clientID: 'legacy-billing' },
    faults: ['credentials.corp: unknown key "clientID"; did you mean "clientId"?'],
  },
  {
    what: 'the grant jwt_bearer without an issuer',
    credential: {
      clientId: undefined,
      auth: { method: 'none' },
      grant: { type: 'jwt_bearer', key: { file: 'ec.pem' }, algorithm: 'ES256' },
    },
    faults: ['credentials.corp.grant.issuer: expected the "iss" of the assertion'],
  },
  {
    what: 'tls_client_auth without a client certificate',
    credential: { auth: { method: 'tls_client_auth' } },
    faults: [
      'credentials.corp.tls.client: expected the certificate that "tls_client_auth" authenticates with',
    ],
  },
  {
    what: 'private_key_jwt without a key',
    credential: { auth: { method: 'private_key_jwt' } },
    faults: ['credentials.corp.auth.key: expected a map, got nothing'],
  },
  {
    what: 'a secret with a misspelt key',
    credential: { auth: { clientSecret: { vlaue: 's' } } },
    faults: ['credentials.corp.auth.clientSecret: unknown key "vlaue"; did you mean "value"?'],
  },
  {
    what: 'a secret with an unknown key',
    credential: { auth: { clientSecret: { vault: 's' } } },
    faults: ['credentials.corp.auth.clientSecret: unknown key'],
  },
  {
    what: 'a number as the audience of an assertion',
    credential: {
      auth: { method: 'private_key_jwt', key: { file: 'ec.pem' }, algorithm: 'ES256', audience: 7 },
    },
    faults: [
      'credentials.corp.auth.audience: expected "issuer", "tokenEndpoint" or an absolute URI',
    ],
  },
  {
    what: 'a misspelt audience of an assertion',
    credential: {
      auth: {
        method: 'private_key_jwt',
        key: { file: 'ec.pem' },
        algorithm: 'ES256',
        audience: 'tokenendpoint',
      },
    },
    faults: [
      'credentials.corp.auth.audience: expected "issuer", "tokenEndpoint" or an absolute URI',
    ],
  },
  {
    what: 'a claim that is a list',
    credential: {
      auth: { method: 'none' },
      grant: {
        type: 'jwt_bearer',
        key: { file: 'ec.pem' },
        algorithm: 'ES256',
        claims: { groups: ['a'] },
      },
    },
    faults: ['credentials.corp.grant.claims.groups: expected a string, a number, true or false'],
  },
  {
    what: 'a token over plain HTTP',
    route: { upstream: 'http://orders.example.com' },
    faults: [`routes[0].upstream: ${PLAINTEXT_TOKEN}`],
  },
  {
    what: 'a token over plain HTTP that only the credential permits',
    credential: { allowPlaintext: true },
    route: { upstream: 'http://10.0.0.7' },
    faults: [`routes[0].upstream: ${PLAINTEXT_TOKEN}`],
  },
  {
    what: 'an undefined credential with a similar name',
    route: { credential: 'crop' },
    faults: [
      'routes[0].credential: expected the name of a credential, or "none", got "crop"; did you mean "corp"?',
    ],
  },
  {
    what: 'an undefined credential without a similar name',
    route: { credential: 'somebody' },
    faults: ['routes[0].credential: expected the name of a credential, or "none"'],
  },
  {
    what: 'a credential named like a property of Object.prototype',
    route: { credential: 'constructor' },
    faults: ['routes[0].credential: expected the name of a credential, or "none"'],
  },
  {
    what: 'a route without a credential',
    route: { credential: undefined },
    faults: ['routes[0].credential: expected a string, got nothing'],
  },
  {
    what: 'a route to plain HTTP without a credential',
    route: { credential: undefined, upstream: 'http://orders.example.com' },
    faults: ['routes[0].credential: expected a string, got nothing'],
  },
  {
    what: 'a match with methods only',
    route: { match: { methods: ['GET'] } },
    faults: ['routes[0].match: expected "host", "path" or both'],
  },
  {
    what: 'a route without a match',
    route: { match: undefined },
    faults: ['routes[0].match: expected a map, got nothing'],
  },
  { what: 'no routes', top: { routes: [] }, faults: ['routes: expected at least one route'] },
  {
    what: 'routes as a map',
    top: { routes: { orders: {} } },
    faults: ['routes: expected a list, got a map'],
  },
  {
    what: 'a file without routes',
    top: { routes: undefined },
    faults: ['routes: expected a list, got nothing'],
  },
  {
    what: 'credentials as a list, with a route that refers to one',
    top: { credentials: [{ name: 'corp' }] },
    faults: ['credentials: expected a map, got a list'],
  },
  {
    what: 'credentials under a misspelt key, with a route that refers to one',
    top: { credentials: undefined, credentails: { corp: {} } },
    faults: ['unknown key "credentails"; did you mean "credentials"?'],
  },
  {
    what: 'both listeners at one address',
    top: { listen: '127.0.0.1:7070', admin: '127.0.0.1:7070' },
    faults: ['admin: expected another address than that of "listen", got "127.0.0.1:7070"'],
  },
  {
    what: 'a listener at the default address of the admin listener',
    top: { listen: '127.0.0.1:9090' },
    faults: ['listen: expected another address than that of "admin", got "127.0.0.1:9090"'],
  },
  {
    what: 'two listeners with one name',
    top: {
      listen: [
        { name: 'app', address: '127.0.0.1:8080' },
        { name: 'app', address: '127.0.0.1:8081' },
      ],
    },
    faults: ['listen[1].name: expected a name that no other listener has'],
  },
  {
    what: 'two listeners without a name',
    top: { listen: [{ address: '127.0.0.1:8080' }, { address: '127.0.0.1:8081' }] },
    faults: ['listen[1].name: expected a name that no other listener has, got nothing'],
  },
  {
    what: 'two listeners at one address',
    top: {
      listen: [
        { name: 'app', address: 'unix:/run/app.sock' },
        { name: 'other', address: { unix: '/run/app.sock' } },
      ],
    },
    faults: ['listen[1].address.unix: expected another address than that of "listen[0]"'],
  },
  {
    what: 'the admin listener at the address of the second listener',
    top: {
      listen: [
        { name: 'app', address: '127.0.0.1:8080' },
        { name: 'other', address: '127.0.0.1:8081' },
      ],
      admin: '127.0.0.1:8081',
    },
    faults: ['admin: expected another address than that of "listen[1]"'],
  },
  {
    what: 'an empty list of listeners',
    top: { listen: [] },
    faults: ['listen: expected at least one listener'],
  },
  {
    what: 'a listener without an address',
    top: { listen: [{ name: 'app' }] },
    faults: ['listen[0].address: expected an address such as "127.0.0.1:8080"'],
  },
  {
    what: 'an unknown key of the only listener',
    top: { listen: { adress: '127.0.0.1:8080', name: 'app' } },
    faults: ['listen: unknown key "adress"; did you mean "address"?'],
  },
  {
    what: 'a name of a listener with a space',
    top: { listen: { name: 'my app', address: '127.0.0.1:8080' } },
    faults: ['listen.name: expected a name of letters, digits, ".", "_" and "-"'],
  },
  {
    what: 'an unknown mode of a listener',
    top: { listen: { name: 'app', address: '127.0.0.1:8080', mode: 'transparant' } },
    faults: ['listen.mode: expected "proxy" or "transparent"'],
  },
  {
    what: 'a transparent listener on a Unix socket',
    top: { listen: [{ name: 'app', address: 'unix:/run/app.sock', mode: 'transparent' }] },
    faults: ['listen[0].address: expected "host:port" with "mode: transparent"'],
  },
  {
    what: 'a transparent listener with a certificate',
    top: {
      listen: {
        address: '127.0.0.1:15001',
        mode: 'transparent',
        tls: {},
      },
    },
    faults: [
      'listen.tls.cert: expected a map',
      'listen.tls.key: expected a map',
      'listen.tls: expected no certificate with "mode: transparent"',
    ],
  },
  {
    what: 'a route to the second listener itself',
    top: {
      listen: [
        { name: 'app', address: '127.0.0.1:8080' },
        { name: 'other', address: '127.0.0.1:8081' },
      ],
    },
    route: { upstream: 'http://localhost:8081/orders' },
    faults: ['routes[0].upstream: expected another address than that of "listen[1]"'],
  },
  {
    what: 'a listener whose auth is empty',
    top: { listen: { address: '127.0.0.1:0', auth: {} } },
    faults: ['listen.auth: expected "basic", "clientCertificates" or both'],
  },
  {
    what: 'a listener with an empty list of users',
    top: { listen: { address: '127.0.0.1:0', auth: { basic: [] } } },
    faults: ['listen.auth.basic: expected at least one user'],
  },
  {
    what: 'a user name with a colon',
    top: {
      listen: {
        address: '127.0.0.1:0',
        auth: { basic: [{ username: 'a:hunter2', password: { env: 'CORP_SECRET' } }] },
      },
    },
    faults: [
      'listen.auth.basic[0].username: expected a user name of printable ASCII characters without ":"',
    ],
  },
  {
    what: 'a password that is written as a string',
    top: {
      listen: [
        { address: '127.0.0.1:0', auth: { basic: [{ username: 'a', password: 'hunter2' }] } },
      ],
    },
    faults: ['listen[0].auth.basic[0].password: expected a map, got a string; write where'],
  },
  {
    what: 'a password from a file that does not exist',
    top: {
      listen: [
        {
          address: '127.0.0.1:0',
          auth: { basic: [{ username: 'a', password: { file: 'no.txt' } }] },
        },
      ],
    },
    faults: ['listen[0].auth.basic[0].password.file: expected a file that can be read'],
  },
  {
    what: 'names of client certificates on a listener that requests none',
    top: {
      listen: { address: '127.0.0.1:0', auth: { clientCertificates: { commonNames: ['a'] } } },
    },
    faults: ['listen.auth.clientCertificates: expected "tls.clientCa" of the listener'],
  },
  {
    what: 'client certificates without a name',
    top: { listen: { address: '127.0.0.1:0', auth: { clientCertificates: {} } } },
    faults: [
      'listen.auth.clientCertificates: expected at least one of "commonNames", "dnsNames" and "uris"',
      'listen.auth.clientCertificates: expected "tls.clientCa" of the listener',
    ],
  },
  {
    what: 'a transparent listener with users',
    top: {
      listen: {
        address: '127.0.0.1:0',
        mode: 'transparent',
        auth: { basic: [{ username: 'a', password: { env: 'CORP_SECRET' } }] },
      },
    },
    faults: ['listen.auth: expected no "auth" with "mode: transparent"'],
  },
  {
    what: 'a wildcard as a DNS name of client certificates',
    top: {
      listen: { address: '127.0.0.1:0', auth: { clientCertificates: { dnsNames: ['*.a'] } } },
    },
    faults: [
      'listen.auth.clientCertificates: expected "tls.clientCa" of the listener',
      'listen.auth.clientCertificates.dnsNames[0]: expected a DNS name without a wildcard',
    ],
  },
  {
    what: 'a route for a listener that does not exist',
    route: { listeners: ['defualt', 'x'] },
    faults: [
      'routes[0].listeners[0]: expected the name of a listener; did you mean "default"?',
      'routes[0].listeners[1]: expected the name of a listener, got "x"; there is default',
    ],
  },
  {
    what: 'a route for no listener',
    route: { listeners: [] },
    faults: ['routes[0].listeners: expected at least one listener'],
  },
  {
    what: 'scopes, audience and resource of a route without a credential',
    route: { credential: 'none', scopes: ['a'], audience: 'b', resource: ['https://c.example'] },
    faults: [
      'routes[0].scopes: expected a credential other than "none" beside it',
      'routes[0].audience: expected a credential other than "none" beside it',
      'routes[0].resource: expected a credential other than "none" beside it',
    ],
  },
  {
    what: 'a token in the header Transfer-Encoding',
    route: { inject: { header: 'Transfer-Encoding' } },
    faults: ['routes[0].inject.header: expected a header that can carry a token'],
  },
  {
    what: 'a prefix of two words',
    route: { inject: { prefix: 'Bearer ' } },
    faults: ['routes[0].inject.prefix: expected a word such as "Bearer", or nothing'],
  },
  {
    what: 'setting the header that carries the token',
    route: { headers: { set: { authorization: 'Basic eA==' } } },
    faults: ['routes[0].headers.set.authorization: expected another header than the one'],
  },
  {
    what: 'setting the header that carries the token, with inject.header',
    route: { inject: { header: 'X-Token' }, headers: { set: { 'X-TOKEN': 'a' } } },
    faults: ['routes[0].headers.set.X-TOKEN: expected another header than the one'],
  },
  {
    what: 'an unknown key, similar to a known one or not',
    route: { upstrem: 'x', timeouts: { read: '1s' } },
    faults: [
      'routes[0]: unknown key "upstrem"; did you mean "upstream"?',
      'routes[0].timeouts: unknown key "read"; expected one of token, connect, response, idle',
    ],
  },
]

test.for(REJECTED)('$what: rejected', async ({ faults, ...given }) => {
  const starts = faults.map((fault) =>
    expect.stringMatching(new RegExp(`^${RegExp.escape(fault)}`)),
  )
  expect(await faultsOf(given, ENVIRONMENT)).toEqual(starts)
})

test.for([
  'connection',
  'Content-Length',
  'EXPECT',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])('a route cannot set or remove the header %s', async (name) => {
  expect(await faultsOf({ route: { headers: { set: { [name]: 'x' } } } })).toEqual([
    `routes[0].headers.set.${name}: expected a header that the sidecar does not control`,
  ])
  expect(await faultsOf({ route: { headers: { remove: ['X-A', name] } } })).toEqual([
    'routes[0].headers.remove[1]: expected a header that the sidecar does not control',
  ])
})

const ACCEPTED: readonly (Given & { readonly what: string })[] = [
  { what: 'a unix socket with a mode', top: { listen: { unix: '/run/app.sock', mode: '0600' } } },
  { what: 'a mode of three digits', top: { admin: { unix: '/run/admin.sock', mode: '666' } } },
  {
    what: 'a socket, and the default address of that listener for the other one',
    top: { listen: { unix: '/run/app.sock' }, admin: '127.0.0.1:8080' },
  },
  {
    what: 'two listeners on free ports',
    top: { listen: [{ address: '127.0.0.1:0' }, { name: 'other', address: '127.0.0.1:0' }] },
  },
  {
    what: 'a route to another port on localhost',
    top: { listen: '127.0.0.1:8081' },
    route: { upstream: 'http://localhost:8082' },
  },
  { what: 'no change' },
  {
    what: 'a token endpoint over plain HTTP with allowPlaintext',
    credential: { tokenEndpoint: 'http://login.example.com/token', allowPlaintext: true },
  },
  {
    what: 'a token endpoint over plain HTTP on a loopback address',
    credential: { tokenEndpoint: 'http://127.0.0.1:8089/token' },
  },
  {
    what: 'an issuer over plain HTTP on a loopback address',
    credential: { tokenEndpoint: undefined, issuer: 'http://[::1]:8089' },
  },
  {
    what: 'an upstream over plain HTTP with allowPlaintext',
    route: { upstream: 'http://orders.example.com', allowPlaintext: true },
  },
  {
    what: 'an upstream over plain HTTP on localhost',
    route: { upstream: 'http://localhost:3000' },
  },
  {
    what: 'an upstream over plain HTTP without a token',
    route: { credential: 'none', upstream: 'http://orders.example.com' },
  },
  {
    what: 'setting Authorization on a route without a credential',
    route: { credential: 'none', headers: { set: { Authorization: 'Basic eA==' } } },
  },
  {
    what: 'setting Authorization on a route with another inject.header',
    route: { inject: { header: 'X-Token', prefix: '' }, headers: { set: { Authorization: 'x' } } },
  },
  {
    what: 'a provider over plain HTTP with allowPlaintext',
    credential: {
      tokenEndpoint: undefined,
      provider: { name: 'keycloak', url: 'http://keycloak.example.com', realm: 'corp' },
      allowPlaintext: true,
    },
  },
  {
    what: 'a provider over plain HTTP on localhost',
    credential: {
      tokenEndpoint: undefined,
      provider: { name: 'keycloak', url: 'http://localhost:8080', realm: 'corp' },
    },
  },
  {
    what: 'the grant jwt_bearer without a client',
    credential: {
      clientId: undefined,
      auth: { method: 'none' },
      grant: {
        type: 'jwt_bearer',
        issuer: 'me@project.example',
        key: { file: 'ec.pem' },
        algorithm: 'ES256',
        claims: { a: 'b', c: 7, d: true },
      },
    },
  },
  { what: 'one audience or several', credential: { audience: 'a', resource: ['b:c', 'd:e'] } },
  {
    what: 'listeners on port 0',
    top: { listen: '[::1]:0', admin: '[::1]:0' },
  },
]

test.for(ACCEPTED)('$what: accepted', async (given) => {
  expect(await faultsOf(given, ENVIRONMENT)).toEqual([])
})

test.for(['corp', '7', 'a.b-c_d', 'Z9'])('%j is a valid credential name', async (name) => {
  expect(await credentialNameFaults(name)).toEqual([])
})

test.for(['none', '', 'a b', 'a/b', '-a', '.a', '_a', 'ä', 'a\nb'])(
  '%j is an invalid credential name',
  async (name) => {
    expect(await credentialNameFaults(name)).toEqual([
      expect.stringContaining('expected a name of letters, digits'),
    ])
  },
)

async function credentialNameFaults(name: string): Promise<string[]> {
  const credential = {
    issuer: 'https://login.example.com',
    clientId: 'a',
    auth: { clientSecret: { env: 'CORP_SECRET' } },
  }
  return await faultsOf({ top: { credentials: { corp: credential, [name]: credential } } })
}

test.for(['orders', '7', 'a.b-c_d'])('%j is a valid route name', async (name) => {
  expect(await faultsOf({ route: { name } })).toEqual([])
})

test.for(['', '(none)', 'a b', '-a', 'a"b', 'a\nb', 'ä'])(
  '%j is an invalid route name',
  async (name) => {
    expect(await faultsOf({ route: { name } })).toEqual([
      expect.stringMatching(/^routes\[0\]\.name: expected a name of letters, digits/),
    ])
  },
)

test.for([
  'api.example.com',
  'API.example.com:8443',
  'localhost',
  'my_service',
  '10.0.0.7',
  '[::1]',
  '[::1]:8080',
  '*.example.com',
  '*.example.com:8443',
])('%j is a valid match.host', async (host) => {
  expect(await faultsOf({ route: { match: { host } } })).toEqual([])
})

test.for([
  '',
  '*',
  '*.',
  'api.*.com',
  'a*.example.com',
  'https://api.example.com',
  'api.example.com/',
  'api..example.com',
  'api.example.com.',
  'api example.com',
  'api.example.com:http',
  '::1',
  'user@api.example.com',
])('%j is an invalid match.host', async (host) => {
  expect(await faultsOf({ route: { match: { host } } })).toEqual([
    expect.stringMatching(/^routes\[0\]\.match\.host: expected a host such as/),
  ])
})

test.for([
  '/',
  '/orders',
  '/orders/',
  '/a/b.c/~d',
  '/a;b=c',
  '/...',
  '/a..b',
  '/.well-known',
  '/@x',
])('%j is a valid match.path', async (path) => {
  expect(await faultsOf({ route: { match: { path } } })).toEqual([])
})

test.for([
  '',
  'orders',
  '//',
  '/a//b',
  '/a?b',
  '/a#b',
  '/a%20b',
  '/a b',
  '/.',
  '/..',
  '/a/../b',
  '/a/./b',
  '/a\\b',
  '/ä',
  '/a\n',
])('%j is an invalid match.path', async (path) => {
  expect(await faultsOf({ route: { match: { path } } })).toEqual([
    expect.stringMatching(/^routes\[0\]\.match\.path: expected a path /),
  ])
})

test.for(['GET', 'M-SEARCH', 'PROPFIND'])('%j is a valid match.methods entry', async (method) => {
  expect(await faultsOf({ route: { match: { path: '/', methods: [method] } } })).toEqual([])
})

test.for(['get', '', 'GET POST', '*', '-GET'])(
  '%j is an invalid match.methods entry',
  async (method) => {
    expect(await faultsOf({ route: { match: { path: '/', methods: [method] } } })).toEqual([
      expect.stringMatching(/^routes\[0\]\.match\.methods\[0\]: expected a method such as "GET"/),
    ])
  },
)

test.for([
  'https://orders.example.com',
  'https://orders.example.com/',
  'https://orders.example.com:8443/v2/',
  'https://[2001:db8::1]/v2',
  'HTTPS://orders.example.com',
])('%j is a valid upstream', async (upstream) => {
  expect(await faultsOf({ route: { upstream } })).toEqual([])
})

test.for([
  '',
  'orders.example.com',
  '/v2',
  'https://',
  'ftp://orders.example.com',
  'unix:/run/orders.sock',
  'https://orders.example.com/v2?a=b',
  'https://orders.example.com/v2?',
  'https://orders.example.com/v2#a',
  'https://orders.example.com/#',
  'https://user@orders.example.com',
  'https://orders.example.com/a b',
  ' https://orders.example.com',
  'https:\\\\orders.example.com',
  'https://orders.example.com:99999',
])('%j is an invalid upstream', async (upstream) => {
  expect(await faultsOf({ route: { upstream } })).toEqual([
    expect.stringMatching(/^routes\[0\]\.upstream: expected an http\(s\) URL without user, query/),
  ])
})

/** Two routes, and whether they match the same requests. */
const PAIRS: readonly { first: object; second: object; same: boolean }[] = [
  { first: { path: '/a' }, second: { path: '/a' }, same: true },
  { first: { path: '/a' }, second: { path: '/a/' }, same: true },
  { first: { host: 'a.example' }, second: { host: 'A.EXAMPLE' }, same: true },
  { first: { host: 'a.example' }, second: { host: 'a.example', path: '/' }, same: true },
  {
    first: { path: '/a', methods: ['GET', 'PUT'] },
    second: { path: '/a', methods: ['PUT', 'GET'] },
    same: true,
  },
  { first: { path: '/a' }, second: { path: '/A' }, same: false },
  { first: { path: '/a' }, second: { path: '/a/b' }, same: false },
  { first: { path: '/a' }, second: { path: '/a', methods: ['GET'] }, same: false },
  { first: { path: '/a' }, second: { path: '/a', host: 'a.example' }, same: false },
  { first: { host: 'a.example' }, second: { host: '*.a.example' }, same: false },
  { first: { host: 'a.example' }, second: { host: 'a.example:8443' }, same: false },
]

/** The listeners of two routes that match the same requests. */
const LISTENERS_OF_PAIRS = [
  { first: undefined, second: ['app'], same: true },
  { first: ['app'], second: ['other', 'app'], same: true },
  { first: ['app'], second: ['other'], same: false },
]

test.for(LISTENERS_OF_PAIRS)(
  'two routes with the same match on $first and $second are duplicates: $same',
  async ({ first, second, same }) => {
    const routes = [first, second].map((listeners, index) => ({
      name: `route-${index}`,
      match: { path: '/' },
      listeners,
      upstream: 'https://api.example.com',
      credential: 'none',
    }))
    const listen = [
      { name: 'app', address: '127.0.0.1:0' },
      { name: 'other', address: '127.0.0.1:0' },
    ]
    expect(await faultsOf({ top: { listen, routes } })).toEqual(
      same ? ['routes[1].match: expected a match that differs from that of routes[0]'] : [],
    )
  },
)

test.for(PAIRS)('the matches $first and $second are duplicates: $same', async (pair) => {
  const routes = [pair.first, pair.second].map((match, index) => ({
    name: `route-${index}`,
    match,
    upstream: 'https://api.example.com',
    credential: 'none',
  }))
  expect(await faultsOf({ top: { routes } })).toEqual(
    pair.same ? ['routes[1].match: expected a match that differs from that of routes[0]'] : [],
  )
})

test('a duplicate route name refers to the first route with that name', async () => {
  const route = { match: { path: '/' }, upstream: 'https://api.example.com', credential: 'none' }
  const routes = [
    { ...route, name: 'a', match: { path: '/a' } },
    { ...route, name: 'b', match: { path: '/b' } },
    { ...route, name: 'a', match: { path: '/c' } },
  ]
  expect(await faultsOf({ top: { routes } })).toEqual([
    'routes[2].name: expected a name that no other route has, got "a"; routes[0] has the same',
  ])
})

test('violations of rules between keys are reported even if the file has other problems', async () => {
  const route = { name: 'a', match: { path: '/' }, upstream: 'http://a.example', credential: 'b' }
  expect(
    await faultsOf({
      top: { credentials: { b: 7 }, routes: [7, route, { ...route, keepPath: 7 }] },
    }),
  ).toEqual([
    expect.stringMatching(/^credentials\.b: expected a map/),
    expect.stringMatching(/^routes\[0\]: expected a map/),
    expect.stringMatching(/^routes\[1\]\.upstream: expected an https URL/),
    expect.stringMatching(/^routes\[2\]\.name: expected a name that no other route has/),
    expect.stringMatching(
      /^routes\[2\]\.match: expected a match that differs from that of routes\[1\]/,
    ),
    expect.stringMatching(/^routes\[2\]\.upstream: expected an https URL/),
    expect.stringMatching(/^routes\[2\]\.keepPath: expected true or false/),
  ])
})

const WARNED = `
credentials:
  corp:
    tokenEndpoint: https://login.example.com/token
    clientId: a
    auth: { clientSecret: { value: s3cret } }
  local:
    tokenEndpoint: http://127.0.0.1:8089/token
    clientId: a
    auth: { clientSecret: { value: s3cret } }
  spare:
    issuer: https://login.example.com
    clientId: a
    auth: { clientSecret: { env: CORP_SECRET } }
routes:
  - { name: one, match: { path: /1 }, upstream: 'https://a.example', credential: corp }
  - { name: two, match: { path: /2 }, upstream: 'https://a.example', credential: local }
`

test('a literal secret for another host and an unused credential cause warnings', async () => {
  expect(await warningsOf(WARNED, { env: { CORP_SECRET: 's' } })).toEqual([
    '6:36 credentials.corp.auth.clientSecret.value: the secret is part of the configuration file; "file" or "env" keeps it out',
    '12:5 credentials.spare: no route uses this credential',
  ])
})

test.for([
  {
    place: 'auth.key',
    lines: 'auth: { method: private_key_jwt, algorithm: ES256, key: { value: "LITERAL" } }',
  },
  {
    place: 'auth.passphrase',
    lines:
      'auth: { method: private_key_jwt, algorithm: ES256, key: { file: ec.pem }, passphrase: { value: LITERAL } }',
  },
  {
    place: 'grant.subjectToken',
    lines:
      'auth: { method: none }\n    grant: { type: token_exchange, subjectToken: { value: LITERAL } }',
  },
  {
    place: 'dpop.key',
    lines: 'auth: { clientSecret: { env: CORP_SECRET } }\n    dpop: { key: { value: "LITERAL" } }',
  },
])('a literal secret at $place causes a warning', async ({ place, lines }) => {
  const text = `credentials:
  corp:
    tokenEndpoint: https://login.example.com/token
    clientId: a
    ${lines.replace('"LITERAL"', JSON.stringify(ENVIRONMENT.files['ec.pem']))}
routes:
  - { name: one, match: { path: / }, upstream: 'https://a.example', credential: corp }
`
  expect(await warningsOf(text, { ...ENVIRONMENT, env: { CORP_SECRET: 's' } })).toEqual([
    expect.stringMatching(`credentials.corp.${place}.value: the secret is part of the`),
  ])
})

const TRANSPARENT = `
listen:
  - { name: redirected, address: "[::]:15001", mode: transparent }
routes:
  - { name: a, match: { host: api.example.com }, upstream: https://api.example.com, credential: none }
`

test('a transparent listener without "intercept" causes a warning', async () => {
  expect(await warningsOf(TRANSPARENT)).toEqual([
    '3:54 listen[0].mode: redirected https connections are rejected without "intercept"',
  ])
})

test('a transparent listener and no host in a route cause a warning', async () => {
  expect(await warningsOf(TRANSPARENT.replace('host: api.example.com', 'path: /'))).toEqual([
    expect.stringMatching(/^3:54 listen\[0\]\.mode: redirected https/),
    expect.stringMatching(/^3:54 listen\[0\]\.mode: all redirected connections are rejected/),
  ])
})

test.for([
  ['"[::]:15001"', 0],
  ['0.0.0.0:15001', 0],
  ['127.0.0.1:15001', 0],
  ['10.0.0.1:15001', 1],
] as const)(
  'a transparent listener on %s causes %i warnings about other machines',
  async ([address, count]) => {
    const text = `intercept: { ca: { directory: /ca } }\n${TRANSPARENT.replace('"[::]:15001"', address)}`
    const warnings = (await warningsOf(text)) ?? []
    expect(warnings.filter((warning) => warning.includes('every machine'))).toHaveLength(count)
    expect(warnings).toHaveLength(count)
  },
)

test('warnings are omitted if there are problems', async () => {
  const problems = await problemsOf(`${WARNED}listen: home\n`, { env: { CORP_SECRET: 's' } })
  expect(problems).toEqual([expect.stringMatching(/^18:9 listen: /)])
})

test('an IP address as tls.serverName is rejected', async () => {
  const problems = await problemsOf(`routes:
  - name: one
    match: { path: / }
    upstream: 'https://127.0.0.1'
    credential: none
    tls: { serverName: 127.0.0.1 }
`)
  expect(problems).toEqual([
    expect.stringMatching(/^6:\d+ routes\[0\].tls.serverName: .*an address/),
  ])
})
