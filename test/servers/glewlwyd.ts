import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gunzipSync } from 'node:zlib'
import {
  type AuthorizationServer,
  NotInstallable,
  type Stage,
  UNNAMED_ASSERTION,
} from './authorization-server.ts'
import { type Client, jwksOf } from './clients.ts'
import type { HttpClient } from './http-client.ts'
import type { Installer } from './installer.ts'
import { verifyByJwks } from './verify-token.ts'

const START_DEADLINE_MS = 30_000

/** Glewlwyd requires the token endpoint as `aud`. */
const JWT = { audience: 'tokenEndpoint' }

/** It does not form-decode secrets (RFC 6749 section 2.3.1). */
const RAW = { encoding: 'raw' }

/** The defaults of the database in the package. */
const ADMIN = { username: 'admin', password: 'password' }

export const glewlwyd: AuthorizationServer = {
  name: 'glewlwyd',
  title: 'Glewlwyd',
  validation: 'JWKS',
  cases: [
    { id: 'client_secret_basic', method: 'client_secret_basic' },
    { id: 'client_secret_post', method: 'client_secret_post' },
    { id: 'client_secret_jwt', method: 'client_secret_jwt', auth: JWT },
    { id: 'private_key_jwt', method: 'private_key_jwt', auth: JWT },
    { id: 'tls_client_auth', method: 'tls_client_auth' },
    { id: 'self_signed_tls_client_auth', method: 'self_signed_tls_client_auth' },
    { id: 'client_assertion_file', method: 'client_assertion_file' },
    UNNAMED_ASSERTION,
    {
      id: 'client_secret_basic, DPoP',
      method: 'client_secret_basic',
      auth: RAW,
      credential: { dpop: {} },
      isBound: true,
    },
  ],
  async install(installer) {
    const { program, env } = await programOf(installer)
    return (await installer.run(program, ['--version'], { env })).trim()
  },
  async start(stage) {
    const { directory, port, http, processes, installer, scope } = stage
    const { root, program, env } = await programOf(installer)
    const isNew = !existsSync(directory)
    await mkdir(join(directory, 'empty'), { recursive: true })
    if (isNew) await createDatabase(root, databaseFile(directory))
    const origin = `https://127.0.0.1:${port}`
    const issuer = `${origin}/api/oidc`
    const configFile = join(directory, 'glewlwyd.conf')
    await writeFile(configFile, configOf(stage, root, origin))
    const started = processes.start({
      command: program,
      args: [`--config-file=${configFile}`],
      env: { ...process.env, ...env },
    })
    await http.untilReady(`${origin}/config`, started.failed, START_DEADLINE_MS)
    const admin = createAdmin(http, origin)
    if (isNew) {
      await admin('POST', 'mod/plugin/', pluginOf(stage, issuer))
      await admin('POST', 'scope/', {
        name: scope,
        display_name: scope,
        password_required: false,
      })
    }
    const registered = new Set<string>()
    return {
      address: { issuer },
      assertionAudience: `${issuer}/token`,
      async register(client) {
        const json = registrationOf(client, stage)
        await (registered.has(client.id)
          ? admin('PUT', `client/${client.id}`, json)
          : admin('POST', 'client/', json))
        registered.add(client.id)
      },
      verify: async (token) =>
        await verifyByJwks(token, { http, issuer, jwksUrl: `${issuer}/jwks` }),
      stop: async () => await started.stop(),
    }
  },
}

type Program = {
  /** The directory of the unpacked packages. */
  readonly root: string
  readonly program: string
  readonly env: Readonly<Record<string, string>>
}

/** Debian's packages, unpacked into the cache and not installed. */
async function programOf(installer: Installer): Promise<Program> {
  const aptGet = installer.need('apt-get', 'Debian or Ubuntu')
  const dpkg = installer.need('dpkg-deb', 'Debian or Ubuntu')
  const directory = await installer.cached('glewlwyd', async (target) => {
    const plan = await installer.run(aptGet, [
      'install',
      '--simulate',
      '--no-install-recommends',
      'glewlwyd',
    ])
    const packages = [...plan.matchAll(/^Inst (\S+)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => /^(?:lib|glewlwyd)/.test(name))
    if (packages.length === 0) throw new NotInstallable('"apt-get" knows no package "glewlwyd"')
    await installer.run(aptGet, ['download', '-q', ...packages], { cwd: target })
    for (const file of await readdir(target)) {
      await installer.run(dpkg, ['--extract', join(target, file), join(target, 'root')])
    }
  })
  const root = join(directory, 'root')
  const libraries = (await readdir(join(root, 'usr/lib'))).find((name) =>
    name.endsWith('-linux-gnu'),
  )
  return {
    root,
    program: join(root, 'usr/bin/glewlwyd'),
    env: { LD_LIBRARY_PATH: join(root, 'usr/lib', libraries ?? '') },
  }
}

function databaseFile(directory: string): string {
  return join(directory, 'glewlwyd.sqlite')
}

async function createDatabase(root: string, file: string): Promise<void> {
  const schema = join(root, 'usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz')
  const database = new DatabaseSync(file)
  database.exec(gunzipSync(await readFile(schema)).toString('utf8'))
  database.close()
}

function configOf({ directory, port, tls }: Stage, root: string, origin: string): string {
  const modules = join(root, 'usr/lib/glewlwyd')
  const settings = {
    port,
    bind_address: '127.0.0.1',
    external_url: origin,
    login_url: 'login.html',
    api_prefix: 'api',
    static_files_path: join(directory, 'empty'),
    log_mode: 'console',
    log_level: 'WARNING',
    cookie_domain: '127.0.0.1',
    cookie_secure: true,
    session_key: 'GLEWLWYD2_SESSION_ID',
    admin_scope: 'g_admin',
    profile_scope: 'g_profile',
    user_module_path: join(modules, 'user'),
    user_middleware_module_path: join(directory, 'empty'),
    client_module_path: join(modules, 'client'),
    user_auth_scheme_module_path: join(modules, 'scheme'),
    plugin_module_path: join(modules, 'plugin'),
    use_secure_connection: true,
    secure_connection_key_file: tls.keyFile,
    secure_connection_pem_file: tls.certificateFile,
    secure_connection_ca_file: tls.clientTrustFile,
    hash_algorithm: 'SHA512',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  const database = `database = { type="sqlite3" path="${databaseFile(directory)}" };`
  return [...lines, database, ''].join('\n')
}

function pluginOf({ lifetimeSeconds }: Stage, issuer: string): unknown {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    module: 'oidc',
    name: 'oidc',
    display_name: 'oidc',
    order_rank: 0,
    readonly: false,
    parameters: {
      iss: issuer,
      'jwt-type': 'rsa',
      'jwt-key-size': '256',
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      cert: publicKey.export({ type: 'spki', format: 'pem' }),
      'jwks-show': true,
      'access-token-duration': lifetimeSeconds,
      'refresh-token-duration': 1000,
      'code-duration': 600,
      'refresh-token-rolling': false,
      'allow-non-oidc': true,
      'auth-type-client-enabled': true,
      'auth-type-code-enabled': false,
      'auth-type-token-enabled': false,
      'auth-type-id-token-enabled': true,
      'auth-type-none-enabled': false,
      'auth-type-password-enabled': false,
      'auth-type-device-enabled': false,
      'auth-type-refresh-enabled': false,
      'subject-type': 'public',
      'request-parameter-allow': true,
      'client-pubkey-parameter': 'pubkey',
      'client-jwks-parameter': 'jwks',
      'client-jwks_uri-parameter': 'jwks_uri',
      'request-maximum-exp': 3600,
      'client-cert-source': 'TLS',
      'client-cert-self-signed-allowed': true,
      'oauth-dpop-allowed': true,
      'oauth-dpop-iat-duration': 60,
      'resource-allowed': false,
    },
  }
}

type Admin = (method: string, path: string, json: unknown) => Promise<unknown>

/** The administration API, with a new session for each call. */
function createAdmin(http: HttpClient, origin: string): Admin {
  return async (method, path, json) => {
    const login = await http.send(`${origin}/api/auth/`, { method: 'POST', json: ADMIN })
    const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? ''
    return await http.expect(`${origin}/api/${path}`, { method, json, headers: { cookie } })
  }
}

function registrationOf(client: Client, { scope }: Stage): unknown {
  const { id, method, secret, dnsName } = client
  return {
    client_id: id,
    name: id,
    enabled: true,
    confidential: true,
    client_secret: secret,
    authorization_type: ['client_credentials'],
    token_endpoint_auth_method: [method === 'client_assertion_file' ? 'private_key_jwt' : method],
    tls_client_auth_san_dns: dnsName,
    jwks: jwksOf(client),
    redirect_uri: [],
    scope: [scope],
  }
}
