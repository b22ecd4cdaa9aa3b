import { once } from 'node:events'
import { get, type IncomingMessage, type RequestOptions } from 'node:http'
import type { ListenAddress } from '../config/listen-address.ts'
import { EXIT, type Io } from './io.ts'
import { readReadableConfig } from './read-config.ts'

const TIMEOUT_MS = 3_000
/** More than any response of the health endpoints. */
const MAX_BODY_BYTES = 1024 * 1024

/** `health`: requests a health endpoint of the running sidecar, for container health checks. */
export async function health(
  { file, page }: { readonly file: string; readonly page: string },
  io: Io,
): Promise<number> {
  const config = await readReadableConfig(file, io)
  if (config === undefined) return EXIT.configInvalid
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const request = get({ ...target(config.admin), path: page, signal })
    const [response]: IncomingMessage[] = await once(request, 'response')
    if (response === undefined) return EXIT.failed
    io.out(await readBody(response))
    return response.statusCode === 200 ? EXIT.ok : EXIT.failed
  } catch {
    io.err(
      signal.aborted
        ? `The admin listener did not respond within ${TIMEOUT_MS / 1000} s\n`
        : 'Cannot reach the admin listener: is the sidecar running with this configuration?\n',
    )
    return EXIT.failed
  }
}

/** Limits the size, because another program may listen on the address. */
async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    chunks.push(chunk)
    length += chunk.length
    // Leaving the loop destroys the response.
    if (length > MAX_BODY_BYTES) break
  }
  return Buffer.concat(chunks).toString()
}

/** The address of a listener for connections from this host. */
function target(address: ListenAddress): RequestOptions {
  if (address.kind === 'unix') return { socketPath: address.path }
  const loopbackOf: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  return { host: loopbackOf[address.host] ?? address.host, port: address.port }
}
