import { execFile } from 'node:child_process'
import { freePort, untilListening } from '../../bench/system/ports.ts'
import type { Processes } from '../../bench/system/processes.ts'
import type { Programs } from './programs.ts'
import type { Stage } from './stage.ts'

/**
 * The cases of the interop client of grpc-go that need no cloud. Not `pick_first_unary` and the ORCA cases: the
 * interop server of grpc-go reports neither its name nor its load.
 */
const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  'rpc_soak',
  'channel_soak',
] as const

/** Calls on one connection, and calls with a new connection each. */
const SOAK_ITERATIONS: Readonly<Record<string, number>> = { rpc_soak: 200, channel_soak: 10 }

const SOAK = [
  '-soak_min_time_ms_between_rpcs=0',
  '-soak_overall_timeout_seconds=60',
  '-soak_per_iteration_max_acceptable_latency_ms=5000',
]

const CASE_DEADLINE_MS = 90_000

/** A way from the client to the server, and how each case ended on it: "ok" or the error. */
export type GrpcResults = {
  readonly path: string
  readonly outcomes: ReadonlyMap<string, string>
}

/** The path without a sidecar is the first. */
export async function runGrpcCases(
  { client, server }: Programs,
  stage: Stage,
  processes: Processes,
  progress: (text: string) => void,
): Promise<readonly GrpcResults[]> {
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
  ): Promise<number> => await stage.startSidecar({ ...to, listensWithTls })

  const paths = [
    { path: 'direct', usesTls: false, port: cleartextPort },
    { path: 'cleartext to cleartext', usesTls: false, port: await overSidecar(false, cleartext) },
    { path: 'cleartext to TLS', usesTls: false, port: await overSidecar(false, tls) },
    { path: 'TLS to cleartext', usesTls: true, port: await overSidecar(true, cleartext) },
    { path: 'TLS to TLS', usesTls: true, port: await overSidecar(true, tls) },
  ]
  return await Promise.all(
    paths.map(async ({ path, usesTls, port }) => {
      const outcomes = new Map<string, string>()
      for (const name of CASES) {
        progress(`${name}, ${path}`)
        const args = [`-test_case=${name}`, '-server_host=localhost', `-server_port=${port}`]
        if (usesTls) args.push('-use_tls', '-use_test_ca', `-ca_file=${caFile}`)
        const iterations = SOAK_ITERATIONS[name]
        if (iterations !== undefined) args.push(`-soak_iterations=${iterations}`, ...SOAK)
        outcomes.set(name, await outcomeOf(client, args))
      }
      return { path, outcomes }
    }),
  )
}

async function outcomeOf(client: string, args: readonly string[]): Promise<string> {
  return await new Promise((resolve) => {
    execFile(client, args, { timeout: CASE_DEADLINE_MS }, (error, _stdout, stderr) => {
      if (error === null) resolve('ok')
      else resolve(stderr.trim().split('\n').at(-1) ?? error.message)
    })
  })
}
