import { fileURLToPath } from 'node:url'
import { type InteropClient, outcomeOf } from './interop-client.ts'

const CLIENT = fileURLToPath(new URL('grpcio_client.py', import.meta.url))

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
] as const

/** gRPC of Python, on the C core that Ruby, PHP and C++ also use; `python` has the package grpcio. */
export function grpcio(python: string): InteropClient {
  return {
    name: 'grpcio',
    cases: CASES,
    run: async (name, { port, caFile = [] }) =>
      await outcomeOf(python, [CLIENT, name, String(port)].concat(caFile)),
  }
}
