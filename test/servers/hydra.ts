import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AuthorizationServer, type Stage, UNNAMED_ASSERTION } from './authorization-server.ts'
import type { Client } from './clients.ts'
import type { Installer } from './installer.ts'
import { verifyByIntrospection } from './verify-token.ts'

const VERSION = 'v2.3.0'

// "go install" rejects modules with replace directives, and Hydra replaces its database layer.
const GO_MOD = `module token-sidecar.invalid/hydra

go 1.22

require github.com/ory/hydra/v2 ${VERSION}

replace github.com/gobuffalo/pop/v6 => github.com/ory/pop/v6 v6.2.1-0.20241121111754-e5dfc0f3344b
`

const START_DEADLINE_MS = 30_000

/** Hydra requires the token endpoint as `aud`. */
const JWT = { audience: 'tokenEndpoint' }

export const hydra: AuthorizationServer = {
  name: 'hydra',
  title: 'Ory Hydra',
  validation: 'introspection',
  cases: [
    { id: 'client_secret_basic', method: 'client_secret_basic' },
    { id: 'client_secret_post', method: 'client_secret_post' },
    { id: 'private_key_jwt', method: 'private_key_jwt', auth: JWT },
    { id: 'client_assertion_file', method: 'client_assertion_file' },
    UNNAMED_ASSERTION,
  ],
  async install(installer) {
    await programOf(installer)
    return VERSION.slice(1)
  },
  async start(stage) {
    const { directory, port, adminPort, http, processes, installer } = stage
    const program = await programOf(installer)
    const publicUrl = `http://127.0.0.1:${port}`
    const adminUrl = `http://127.0.0.1:${adminPort}`
    await mkdir(directory, { recursive: true })
    const configFile = join(directory, 'hydra.json')
    await writeFile(configFile, JSON.stringify(configOf(stage, publicUrl)))
    await installer.run(program, ['migrate', 'sql', '-e', '--yes', '-c', configFile])
    const started = processes.start({
      command: program,
      args: ['serve', 'all', '--dev', '-c', configFile, '--sqa-opt-out'],
    })
    await http.untilReady(`${adminUrl}/health/ready`, started.failed, START_DEADLINE_MS)
    await http.untilReady(`${publicUrl}/health/ready`, started.failed, START_DEADLINE_MS)
    return {
      address: { issuer: `${publicUrl}/` },
      assertionAudience: `${publicUrl}/oauth2/token`,
      async register(client) {
        const json = registrationOf(client, stage)
        const url = `${adminUrl}/admin/clients`
        const { status } = await http.send(`${url}/${client.id}`)
        await (status === 404
          ? http.expect(url, { method: 'POST', json })
          : http.expect(`${url}/${client.id}`, { method: 'PUT', json }))
      },
      verify: async (token) =>
        await verifyByIntrospection(token, { http, url: `${adminUrl}/admin/oauth2/introspect` }),
      async revoke(_token, { id }) {
        await http.expect(`${adminUrl}/admin/oauth2/tokens?client_id=${id}`, { method: 'DELETE' })
      },
      stop: async () => await started.stop(),
    }
  },
}

async function programOf(installer: Installer): Promise<string> {
  const go = installer.need('go', 'Go 1.22 or newer')
  installer.need('gcc', 'a C compiler, for the SQLite driver')
  const directory = await installer.cached(`hydra-${VERSION}`, async (target) => {
    await writeFile(join(target, 'go.mod'), GO_MOD)
    await installer.run(
      go,
      [
        'build',
        '-tags',
        'sqlite,sqlite_omit_load_extension',
        '-o',
        'hydra',
        'github.com/ory/hydra/v2',
      ],
      { cwd: target, env: { CGO_ENABLED: '1', GOFLAGS: '-mod=mod' } },
    )
  })
  return join(directory, 'hydra')
}

function configOf(
  { directory, port, adminPort, lifetimeSeconds }: Stage,
  publicUrl: string,
): unknown {
  return {
    dsn: `sqlite://${join(directory, 'hydra.sqlite')}?_fk=true`,
    serve: {
      public: { host: '127.0.0.1', port },
      admin: { host: '127.0.0.1', port: adminPort },
    },
    urls: { self: { issuer: `${publicUrl}/` } },
    secrets: { system: ['only-for-this-test-and-nothing-else'] },
    ttl: { access_token: `${lifetimeSeconds}s` },
    log: { level: 'warn' },
  }
}

function registrationOf(client: Client, { scope, audience }: Stage): Record<string, unknown> {
  const isJwt = client.method === 'private_key_jwt' || client.method === 'client_assertion_file'
  return {
    client_id: client.id,
    grant_types: ['client_credentials'],
    scope,
    audience: [audience],
    ...(isJwt
      ? {
          token_endpoint_auth_method: 'private_key_jwt',
          token_endpoint_auth_signing_alg: 'RS256',
          jwks: { keys: [client.publicJwk] },
        }
      : { token_endpoint_auth_method: client.method, client_secret: client.secret }),
  }
}
