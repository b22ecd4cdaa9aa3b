import { once } from 'node:events'
import { get, type IncomingMessage, type RequestOptions } from 'node:http'
import { text } from 'node:stream/consumers'
import type { ListenAddress } from '../config/listen-address.ts'
import { EXIT, type Io } from './io.ts'
import { readReadableConfig } from './read-config.ts'

const TIMEOUT_MS = 3_000

/** `health`: asks the sidecar that runs with this configuration, for a container's health check. */
export async function health(
  { file, page }: { readonly file: string; readonly page: string },
  io: Io,
): Promise<number> {
  const config = await readReadableConfig(file, io)
  if (config === undefined) return EXIT.configInvalid
  try {
    const request = get({
      ...target(config.admin),
      path: page,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const [response]: IncomingMessage[] = await once(request, 'response')
    const body = response === undefined ? '' : await text(response)
    io.out(body)
    return response?.statusCode === 200 ? EXIT.ok : EXIT.failed
  } catch {
    io.err('Cannot reach the admin listener: is the sidecar running with this configuration?\n')
    return EXIT.failed
  }
}

/** Where a listener is reached from this machine. */
function target(address: ListenAddress): RequestOptions {
  if (address.kind === 'unix') return { socketPath: address.path }
  const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  return { host: everywhere[address.host] ?? address.host, port: address.port }
}
