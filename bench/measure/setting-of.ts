import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Needs, Setting } from '../contenders/contender.ts'
import type { Stage } from '../stage/stage.ts'

/** The settings of a contender on this stage. */
export async function settingOf(
  stage: Stage,
  { routes, accessLog, upstreamTls, http2 }: Needs,
): Promise<Setting> {
  const directory = join(stage.directory, crypto.randomUUID())
  await mkdir(directory)
  const { upstream } = stage
  const http1 = upstreamTls ? upstream.https : upstream.http
  const origin = http2 === 'neither' ? http1 : upstream.http2
  return {
    routes,
    accessLog,
    upstreamTls,
    http2,
    upstream: { origin, port: Number(new URL(origin).port) },
    authorityFile: stage.authorityFile,
    token: stage.token,
    tokenEndpoint: stage.authorizationServer.tokenEndpoint,
    directory,
    processes: stage.processes,
    cores: stage.cores.contender,
  }
}
