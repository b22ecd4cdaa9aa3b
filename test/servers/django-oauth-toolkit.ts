import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { AuthorizationServer } from './authorization-server.ts'
import { createClientsFile } from './clients-file.ts'
import { installPython, type Installer } from './installer.ts'
import { basic, verifyByIntrospection } from './verify-token.ts'

const VERSION = '3.4.1'
const PACKAGES = [`django-oauth-toolkit==${VERSION}`, 'Django==5.2.19']
const SOURCE = join(import.meta.dirname, 'django-oauth-toolkit/server.py')
const START_DEADLINE_MS = 60_000

/** The client that the API uses for introspection. */
const API = { id: 'api', secret: 'only-for-this-test' }

export const djangoOauthToolkit: AuthorizationServer = {
  name: 'django-oauth-toolkit',
  title: 'django-oauth-toolkit',
  validation: 'introspection',
  cases: [
    { id: 'client_secret_basic', method: 'client_secret_basic' },
    { id: 'client_secret_post', method: 'client_secret_post' },
  ],
  async install(installer) {
    await pythonOf(installer)
    return VERSION
  },
  async start(stage) {
    const { directory, port, http, processes, installer, lifetimeSeconds } = stage
    await mkdir(directory, { recursive: true })
    const clients = createClientsFile(join(directory, 'clients.json'))
    await clients.put(API.id, { secret: API.secret })
    const started = processes.start({
      command: await pythonOf(installer),
      args: [SOURCE, String(port), directory, String(lifetimeSeconds)],
      // Plain HTTP on the loopback address.
      env: { ...process.env, OAUTHLIB_INSECURE_TRANSPORT: '1' },
    })
    const base = `http://127.0.0.1:${port}/o`
    await http.untilReady(
      `${base}/.well-known/oauth-authorization-server`,
      started.failed,
      START_DEADLINE_MS,
    )
    const authorization = basic(API.id, API.secret)
    return {
      address: { issuer: base },
      assertionAudience: `${base}/token/`,
      async register({ id, secret }) {
        await clients.put(id, { secret })
      },
      verify: async (token) =>
        await verifyByIntrospection(token, { http, url: `${base}/introspect/`, authorization }),
      async revoke(token, { id, secret }) {
        await http.expect(`${base}/revoke_token/`, {
          method: 'POST',
          form: { token },
          headers: { authorization: basic(id, secret) },
        })
      },
      stop: async () => await started.stop(),
    }
  },
}

async function pythonOf(installer: Installer): Promise<string> {
  return await installPython(installer, `django-oauth-toolkit-${VERSION}`, PACKAGES)
}
