import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import {
  type AuthorizationServer,
  DPOP,
  type Method,
  type Stage,
  UNNAMED_ASSERTION,
} from './authorization-server.ts'
import type { Client } from './clients.ts'
import type { HttpClient } from './http-client.ts'
import { findJava, type Installer } from './installer.ts'
import { verifyByJwks } from './verify-token.ts'

const VERSION = '26.7.3'
const REALM = 'matrix'
const ADMIN = { username: 'admin', password: 'only-for-this-test' }
/** The identity provider that trusts the tokens of service accounts. */
const CLUSTER = 'cluster'
const START_DEADLINE_MS = 180_000

export const keycloak: AuthorizationServer = {
  name: 'keycloak',
  title: 'Keycloak',
  validation: 'JWKS',
  cases: [
    { id: 'client_secret_basic', method: 'client_secret_basic' },
    { id: 'client_secret_post', method: 'client_secret_post' },
    { id: 'client_secret_jwt', method: 'client_secret_jwt' },
    { id: 'private_key_jwt', method: 'private_key_jwt' },
    { id: 'tls_client_auth', method: 'tls_client_auth' },
    { id: 'client_assertion_file', method: 'client_assertion_file' },
    UNNAMED_ASSERTION,
    {
      id: 'client_assertion_file, Kubernetes',
      method: 'client_assertion_file',
      isWorkload: true,
    },
    DPOP,
  ],
  async install(installer) {
    await findJava(installer, 17)
    await homeOf(installer)
    return VERSION
  },
  async start(stage) {
    const { directory, port, adminPort, http, processes, installer, tls } = stage
    const home = await homeOf(installer)
    await mkdir(directory, { recursive: true })
    const started = processes.start({
      command: join(home, 'bin/kc.sh'),
      args: [
        'start-dev',
        '--http-enabled=false',
        '--http-host=127.0.0.1',
        `--https-port=${port}`,
        `--http-management-port=${adminPort}`,
        '--http-management-scheme=http',
        `--https-certificate-file=${tls.certificateFile}`,
        `--https-certificate-key-file=${tls.keyFile}`,
        '--https-client-auth=request',
        `--truststore-paths=${tls.clientTrustFile}`,
        '--health-enabled=true',
        '--cache=local',
        '--log-level=warn',
        `--db-url=jdbc:h2:file:${join(directory, 'keycloak')};NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE`,
      ],
      env: {
        ...process.env,
        KC_BOOTSTRAP_ADMIN_USERNAME: ADMIN.username,
        KC_BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
      },
    })
    const origin = `https://127.0.0.1:${port}`
    await http.untilReady(
      `http://127.0.0.1:${adminPort}/health/ready`,
      started.failed,
      START_DEADLINE_MS,
    )
    const issuer = `${origin}/realms/${REALM}`
    const admin = createAdmin(http, origin)
    await prepareRealm(admin, stage)
    return {
      address: { issuer },
      assertionAudience: issuer,
      async register(client) {
        const json = registrationOf(client, stage)
        const found = z
          .array(z.object({ id: z.string() }))
          .parse(await admin('GET', `/${REALM}/clients?clientId=${client.id}`))
        const [existing] = found
        await (existing === undefined
          ? admin('POST', `/${REALM}/clients`, json)
          : admin('PUT', `/${REALM}/clients/${existing.id}`, json))
      },
      verify: async (token) =>
        await verifyByJwks(token, {
          http,
          issuer,
          jwksUrl: `${issuer}/protocol/openid-connect/certs`,
        }),
      stop: async () => await started.stop(),
    }
  },
}

async function homeOf(installer: Installer): Promise<string> {
  const maven = installer.need('mvn', 'Maven')
  const unzip = installer.need('unzip', 'unzip')
  const name = `keycloak-${VERSION}`
  const directory = await installer.cached(name, async (target) => {
    const artifact = `org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`
    await installer.run(maven, [
      '-q',
      '-B',
      'dependency:copy',
      `-Dartifact=${artifact}`,
      `-DoutputDirectory=${target}`,
    ])
    await installer.run(unzip, [
      '-q',
      join(target, `keycloak-quarkus-dist-${VERSION}.zip`),
      '-d',
      target,
    ])
  })
  return join(directory, name)
}

type Admin = (method: string, path: string, json?: unknown) => Promise<unknown>

/** The administration API, with a new token for each call, because tokens expire after a minute. */
function createAdmin(http: HttpClient, origin: string): Admin {
  return async (method, path, json) => {
    const response = await http.expect(`${origin}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      form: { grant_type: 'password', client_id: 'admin-cli', ...ADMIN },
    })
    const { access_token: token } = z.object({ access_token: z.string() }).parse(response)
    return await http.expect(`${origin}/admin/realms${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(json !== undefined && { json }),
    })
  }
}

async function prepareRealm(admin: Admin, { scope, clusterIssuer }: Stage): Promise<void> {
  const realms = z.array(z.object({ realm: z.string() })).parse(await admin('GET', ''))
  if (realms.some(({ realm }) => realm === REALM)) return
  await admin('POST', '', { realm: REALM, enabled: true })
  await admin('POST', `/${REALM}/client-scopes`, {
    name: scope,
    protocol: 'openid-connect',
    attributes: { 'include.in.token.scope': 'true' },
  })
  await admin('POST', `/${REALM}/identity-provider/instances`, {
    alias: CLUSTER,
    providerId: 'kubernetes',
    config: { issuer: clusterIssuer },
  })
}

const AUTHENTICATORS: Readonly<Record<Method, string>> = {
  client_secret_basic: 'client-secret',
  client_secret_post: 'client-secret',
  client_secret_jwt: 'client-secret-jwt',
  private_key_jwt: 'client-jwt',
  client_assertion_file: 'client-jwt',
  tls_client_auth: 'client-x509',
  self_signed_tls_client_auth: 'client-x509',
}

function registrationOf(
  { id, method, isBound, isWorkload, assertion, secret, publicJwk, subject }: Client,
  { scope, audience, lifetimeSeconds }: Stage,
): unknown {
  return {
    clientId: id,
    protocol: 'openid-connect',
    publicClient: false,
    serviceAccountsEnabled: true,
    standardFlowEnabled: false,
    clientAuthenticatorType: isWorkload ? 'federated-jwt' : AUTHENTICATORS[method],
    secret,
    optionalClientScopes: [scope],
    attributes: {
      'access.token.lifespan': String(lifetimeSeconds),
      'dpop.bound.access.tokens': String(isBound),
      'use.jwks.string': 'true',
      'jwks.string': JSON.stringify({ keys: [publicJwk] }),
      'jwt.credential.issuer': CLUSTER,
      'jwt.credential.sub': assertion.subject,
      'x509.subjectdn': subject,
      'x509.allow.regex.pattern.comparison': 'false',
    },
    protocolMappers: [
      {
        name: 'audience',
        protocol: 'openid-connect',
        protocolMapper: 'oidc-audience-mapper',
        config: { 'included.custom.audience': audience, 'access.token.claim': 'true' },
      },
    ],
  }
}
