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

/** Everything around the contenders. */
export type Stage = {
  /** For files, gone with the stage. */
  readonly directory: string
  readonly processes: Processes
  readonly cores: Cores
  readonly authorizationServer: AuthorizationServer
  readonly upstream: Upstream
  /** Whom contenders trust when the upstream is called over TLS. */
  readonly authorityFile: string
  /** A real one, for contenders that can't fetch any. */
  readonly token: string
  close(): Promise<void>
}

export type StageOptions = {
  readonly cores: Cores
  readonly tokenLifetimeSeconds: number
  /** Leaves nginx alone, so that the stage is the same everywhere. */
  readonly onlyNode?: boolean
  /** Ends every process at once. */
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
