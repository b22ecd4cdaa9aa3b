import { type InteropClient, outcomeOf } from './interop-client.ts'

/**
 * The cases that need no cloud. Not `pick_first_unary` and the ORCA cases: the interop server of grpc-go reports
 * neither its name nor its load.
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

export function grpcGo(program: string): InteropClient {
  return {
    name: 'grpc-go',
    cases: CASES,
    async run(name, { port, caFile }) {
      const args = [`-test_case=${name}`, '-server_host=localhost', `-server_port=${port}`]
      if (caFile !== undefined) args.push('-use_tls', '-use_test_ca', `-ca_file=${caFile}`)
      const iterations = SOAK_ITERATIONS[name]
      if (iterations !== undefined) args.push(`-soak_iterations=${iterations}`, ...SOAK)
      return await outcomeOf(program, args)
    },
  }
}
