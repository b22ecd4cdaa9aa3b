import { freePort, untilListening } from '../../bench/system/ports.ts'
import type { Processes } from '../../bench/system/processes.ts'
import type { InteropClient, Target } from './interop-client.ts'
import type { Stage } from './stage.ts'

/** A way from the client to the server, and how each case ended on it: "ok" or the error. */
export type GrpcResults = {
  readonly client: string
  readonly path: string
  readonly outcomes: ReadonlyMap<string, string>
}

/** Runs all cases of all clients against the server, without a sidecar first. */
export async function runGrpcCases(
  clients: readonly InteropClient[],
  server: string,
  stage: Stage,
  processes: Processes,
  progress: (text: string) => void,
): Promise<readonly GrpcResults[]> {
  const paths = await startPaths(server, stage, processes)
  const results: GrpcResults[] = []
  for (const client of clients) {
    results.push(
      ...(await Promise.all(
        paths.map(async ({ path, target }) => {
          const outcomes = new Map<string, string>()
          for (const name of client.cases) {
            progress(`${client.name}: ${name}, ${path}`)
            outcomes.set(name, await client.run(name, target))
          }
          return { client: client.name, path, outcomes }
        }),
      )),
    )
  }
  return results
}

async function startPaths(
  server: string,
  stage: Stage,
  processes: Processes,
): Promise<readonly { readonly path: string; readonly target: Target }[]> {
  const { caFile, certFile, keyFile } = stage.tls
  const startServer = async (args: readonly string[]): Promise<number> => {
    const port = await freePort()
    const started = processes.start({ command: server, args: [`-port=${port}`, ...args] })
    await untilListening(port, started)
    return port
  }
  const cleartextPort = await startServer([])
  const tlsPort = await startServer([
    '-use_tls',
    `-tls_cert_file=${certFile}`,
    `-tls_key_file=${keyFile}`,
  ])
  const cleartext = { upstream: `http://localhost:${cleartextPort}`, http2: 'always' } as const
  const tls = { upstream: `https://localhost:${tlsPort}`, http2: 'auto' } as const
  const overSidecar = async (
    listensWithTls: boolean,
    to: typeof cleartext | typeof tls,
  ): Promise<Target> => ({
    port: await stage.startSidecar({ ...to, listensWithTls }),
    caFile: listensWithTls ? caFile : undefined,
  })
  return [
    { path: 'direct', target: { port: cleartextPort, caFile: undefined } },
    { path: 'cleartext to cleartext', target: await overSidecar(false, cleartext) },
    { path: 'cleartext to TLS', target: await overSidecar(false, tls) },
    { path: 'TLS to cleartext', target: await overSidecar(true, cleartext) },
    { path: 'TLS to TLS', target: await overSidecar(true, tls) },
  ]
}
