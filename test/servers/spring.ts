import { cp, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AuthorizationServer, DPOP } from './authorization-server.ts'
import { findJava, type Installer, sourceHash } from './installer.ts'
import { verifyByJwks } from './verify-token.ts'

/** The version of Spring Security, which depends on that of Spring Boot in spring/pom.xml. */
const VERSION = '7.0.6'
const SOURCE = join(import.meta.dirname, 'spring')
const START_DEADLINE_MS = 120_000

/** Its validator accepts only the `typ` "JWT". */
const JWT = { header: { typ: 'JWT' } }

export const spring: AuthorizationServer = {
  name: 'spring',
  title: 'Spring Authorization Server',
  validation: 'JWKS',
  cases: [
    { id: 'client_secret_basic', method: 'client_secret_basic' },
    { id: 'client_secret_post', method: 'client_secret_post' },
    { id: 'client_secret_jwt', method: 'client_secret_jwt', auth: JWT },
    { id: 'private_key_jwt', method: 'private_key_jwt', auth: JWT },
    { id: 'tls_client_auth', method: 'tls_client_auth' },
    { id: 'self_signed_tls_client_auth', method: 'self_signed_tls_client_auth' },
    // Not without clientId, because its converter requires client_id in addition to an assertion.
    { id: 'client_assertion_file', method: 'client_assertion_file' },
    DPOP,
  ],
  async install(installer) {
    await findJava(installer, 17)
    await jarOf(installer)
    return VERSION
  },
  async start(stage) {
    const { directory, port, http, processes, installer, tls, lifetimeSeconds } = stage
    const issuer = `https://127.0.0.1:${port}`
    const clients = join(directory, 'clients')
    await mkdir(clients, { recursive: true })
    const properties = {
      'server.address': '127.0.0.1',
      'server.port': port,
      'server.ssl.bundle': 'server',
      'server.ssl.client-auth': 'want',
      'spring.ssl.bundle.pem.server.keystore.certificate': tls.certificateFile,
      'spring.ssl.bundle.pem.server.keystore.private-key': tls.keyFile,
      'spring.ssl.bundle.pem.server.truststore.certificate': tls.clientTrustFile,
      'matrix.issuer': issuer,
      'matrix.clients': clients,
      'matrix.lifetime': `${lifetimeSeconds}s`,
    }
    const started = processes.start({
      command: await findJava(installer, 17),
      args: [
        '-jar',
        await jarOf(installer),
        ...Object.entries(properties).map(([name, value]) => `--${name}=${value}`),
      ],
    })
    await http.untilReady(
      `${issuer}/.well-known/oauth-authorization-server`,
      started.failed,
      START_DEADLINE_MS,
    )
    return {
      address: { issuer },
      assertionAudience: issuer,
      async register({ id, method, secret, subject, publicJwk }) {
        const file = join(clients, `${id}.properties`)
        const lines = Object.entries({
          generation: publicJwk.kid,
          method: method === 'client_assertion_file' ? 'private_key_jwt' : method,
          secret,
          subject,
          jwksUrl: stage.jwksUrl(id),
          scope: stage.scope,
        }).map(([name, value]) => `${name}=${value}\n`)
        await writeFile(`${file}.new`, lines.join(''))
        await rename(`${file}.new`, file)
      },
      verify: async (token) =>
        await verifyByJwks(token, { http, issuer, jwksUrl: `${issuer}/oauth2/jwks` }),
      stop: async () => await started.stop(),
    }
  },
}

async function jarOf(installer: Installer): Promise<string> {
  const maven = installer.need('mvn', 'Maven')
  const key = `spring-${VERSION}-${await sourceHash(SOURCE)}`
  const directory = await installer.cached(key, async (target) => {
    const source = join(target, 'source')
    await cp(SOURCE, source, { recursive: true })
    await installer.run(maven, ['-q', '-B', 'package', `-Dmatrix.target=${target}`], {
      cwd: source,
    })
  })
  return join(directory, 'authorization-server.jar')
}
