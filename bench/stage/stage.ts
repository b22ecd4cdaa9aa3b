import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority } from '../../test/helpers/certificates.ts'
import type { Cores } from '../system/cores.ts'
import { createProcesses, type Processes } from '../system/processes.ts'
import {
  type AuthorizationServer,
  fetchToken,
  startAuthorizationServer,
} from './authorization-server.ts'
import { startUpstream } from './start-upstream.ts'
import type { Upstream } from './upstream.ts'

/** The environment of the contenders: upstream, authorization server, certificates, files. */
export type Stage = {
  /** A temporary directory, removed when the stage is closed. */
  readonly directory: string
  readonly processes: Processes
  readonly cores: Cores
  readonly authorizationServer: AuthorizationServer
  readonly upstream: Upstream
  /** The CA certificate that contenders trust for the upstream's TLS certificate. */
  readonly authorityFile: string
  /** A real token, for contenders that cannot fetch one. */
  readonly token: string
  close(): Promise<void>
}

export type StageOptions = {
  readonly cores: Cores
  readonly tokenLifetimeSeconds: number
  /** Uses the Node upstream even where nginx is installed, for the same setup on every machine. */
  readonly onlyNode?: boolean
  /** Stops all processes immediately. */
  readonly signal: AbortSignal
}

export async function setStage({
  cores,
  tokenLifetimeSeconds,
  onlyNode = false,
  signal,
}: StageOptions): Promise<Stage> {
  await using cleanup = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'token-sidecar-bench-'))
  cleanup.defer(async () => await rm(directory, { recursive: true, force: true }))
  const processes = createProcesses()
  cleanup.defer(async () => await processes.close())
  const interrupt = (): void => void processes.close()
  signal.addEventListener('abort', interrupt)
  cleanup.defer(() => signal.removeEventListener('abort', interrupt))

  const authorizationServer = await startAuthorizationServer({
    processes,
    cores: cores.others,
    tokenLifetimeSeconds,
  })
  const token = await fetchToken(authorizationServer.tokenEndpoint)
  const files = await writeCertificates(directory)
  const upstream = await startUpstream({
    processes,
    directory,
    cores: cores.others,
    token,
    ...files,
    onlyNode,
  })
  const owned = cleanup.move()
  return {
    directory,
    processes,
    cores,
    authorizationServer,
    upstream,
    authorityFile: files.authorityFile,
    token,
    close: async () => await owned.disposeAsync(),
  }
}

async function writeCertificates(directory: string) {
  const authority = await createAuthority('benchmark')
  const { certificate, key } = await authority.issue('localhost', ['localhost', '127.0.0.1'])
  const files = {
    authorityFile: join(directory, 'authority.pem'),
    certificateFile: join(directory, 'upstream.pem'),
    keyFile: join(directory, 'upstream-key.pem'),
  }
  await writeFile(files.authorityFile, authority.certificate)
  await writeFile(files.certificateFile, certificate)
  await writeFile(files.keyFile, key, { mode: 0o600 })
  return files
}
