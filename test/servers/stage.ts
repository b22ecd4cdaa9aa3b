import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../bench/system/ports.ts'
import type { Processes } from '../../bench/system/processes.ts'
import type { Authority } from '../helpers/certificates.ts'
import type { Stage } from './authorization-server.ts'
import type { Installer } from './installer.ts'
import type { JwksServer } from './jwks-server.ts'
import type { TestedClient } from './tested-client.ts'

export const LIFETIME_SECONDS = 8
export const SCOPE = 'orders.read'
export const AUDIENCE = 'https://orders.example.com'

/** Everything that a server needs to run: ports, certificates and settings. */
export async function createStage(
  directory: string,
  authority: Authority,
  testedClients: readonly TestedClient[],
  {
    processes,
    installer,
    http,
    jwks,
  }: {
    readonly processes: Processes
    readonly installer: Installer
    readonly http: Stage['http']
    readonly jwks: JwksServer
  },
): Promise<Stage> {
  const { certificate, key } = await authority.issue('localhost', ['localhost', '127.0.0.1'])
  const write = async (file: string, text: string): Promise<string> => {
    const path = join(directory, file)
    await writeFile(path, text, { mode: 0o600 })
    return path
  }
  const selfSigned = testedClients
    .filter((each) => each.case.method === 'self_signed_tls_client_auth')
    .flatMap(({ clients }) => [clients.first, clients.second, clients.wrong])
    .map((client) => client.certificate.certificate)
  return {
    directory: join(directory, 'server'),
    port: await freePort(),
    adminPort: await freePort(),
    tls: {
      caFile: await write('ca.pem', authority.certificate),
      certificateFile: await write('server.pem', certificate),
      keyFile: await write('server-key.pem', key),
      clientTrustFile: await write(
        'client-trust.pem',
        [authority.certificate, ...selfSigned].join('\n'),
      ),
    },
    processes,
    installer,
    http,
    lifetimeSeconds: LIFETIME_SECONDS,
    scope: SCOPE,
    audience: AUDIENCE,
    clusterIssuer: jwks.clusterIssuer,
    jwksUrl: (clientId) => `${jwks.origin}/${clientId}`,
  }
}
