import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type AuthorizationServer, UNNAMED_ASSERTION } from './authorization-server.ts'
import { createClientsFile } from './clients-file.ts'
import { installPython, type Installer } from './installer.ts'
import { basic, verifyByIntrospection } from './verify-token.ts'

const VERSION = '1.9.6'
const PACKAGES = [`Authlib==${VERSION}`, 'Flask==3.1.3', 'joserfc==1.8.0']
const SOURCE = join(import.meta.dirname, 'authlib/server.py')
const START_DEADLINE_MS = 30_000

/** Its example accepts the token endpoint as `aud`. */
const JWT = { audience: 'tokenEndpoint' }

/** The client that the API uses for introspection. */
const API = { id: 'api', secret: 'only-for-this-test' }

export const authlib: AuthorizationServer = {
  name: 'authlib',
  title: 'Authlib',
  validation: 'introspection',
  cases: [
    { id: 'client_secret_basic', method: 'client_secret_basic' },
    { id: 'client_secret_post', method: 'client_secret_post' },
    { id: 'client_secret_jwt', method: 'client_secret_jwt', auth: JWT },
    { id: 'private_key_jwt', method: 'private_key_jwt', auth: JWT },
    { id: 'client_assertion_file', method: 'client_assertion_file' },
    UNNAMED_ASSERTION,
  ],
  async install(installer) {
    await pythonOf(installer)
    return VERSION
  },
  async start(stage) {
    const { directory, port, http, processes, installer, scope, lifetimeSeconds } = stage
    await mkdir(directory, { recursive: true })
    const clients = createClientsFile(join(directory, 'clients.json'))
    await clients.put(API.id, { ...API, method: 'client_secret_basic', scope: '' })
    const started = processes.start({
      command: await pythonOf(installer),
      args: [SOURCE, String(port), directory, String(lifetimeSeconds)],
      env: { ...process.env, AUTHLIB_INSECURE_TRANSPORT: '1' },
    })
    const issuer = `http://127.0.0.1:${port}`
    await http.untilReady(
      `${issuer}/.well-known/oauth-authorization-server`,
      started.failed,
      START_DEADLINE_MS,
    )
    const authorization = basic(API.id, API.secret)
    return {
      address: { issuer },
      assertionAudience: `${issuer}/oauth/token`,
      async register({ id, method, secret, publicJwk }) {
        await clients.put(id, { id, method: methodOf(method), secret, scope, jwk: publicJwk })
      },
      verify: async (token) =>
        await verifyByIntrospection(token, {
          http,
          url: `${issuer}/oauth/introspect`,
          authorization,
        }),
      async revoke(token) {
        await http.expect(`${issuer}/oauth/revoke`, {
          method: 'POST',
          form: { token },
          headers: { authorization },
        })
      },
      stop: async () => await started.stop(),
    }
  },
}

function methodOf(method: string): string {
  return method === 'client_assertion_file' ? 'private_key_jwt' : method
}

async function pythonOf(installer: Installer): Promise<string> {
  return await installPython(installer, `authlib-${VERSION}`, PACKAGES)
}
