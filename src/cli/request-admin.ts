import { once } from 'node:events'
import { get, type IncomingMessage, type RequestOptions } from 'node:http'
import type { ListenAddress } from '../config/listen-address.ts'
import { networkFault } from '../lib/network-fault.ts'

const TIMEOUT_MS = 3_000
/** More than any response of `/livez` and `/readyz`; other pages may be longer. */
const MAX_BODY_BYTES = 1024 * 1024

export type AdminResponse =
  | { readonly status: number | undefined; readonly body: string }
  /** Why there is no response. */
  | { readonly fault: string; readonly isTimeout: boolean }

/** Requests a page of the admin listener of a running sidecar. */
export async function requestAdmin(
  address: ListenAddress,
  path: string,
  maxBodyBytes = MAX_BODY_BYTES,
): Promise<AdminResponse> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const request = get({ ...target(address), path, signal })
    const [response]: IncomingMessage[] = await once(request, 'response')
    if (response === undefined) return { fault: 'no response', isTimeout: false }
    return { status: response.statusCode, body: await readBody(response, maxBodyBytes) }
  } catch (cause) {
    return {
      fault: signal.aborted
        ? `no response within ${TIMEOUT_MS / 1000} s`
        : (networkFault(cause)?.reason ?? 'connection failed'),
      isTimeout: signal.aborted,
    }
  }
}

/** Limits the size, because another program may listen on the address. */
async function readBody(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    chunks.push(chunk)
    length += chunk.length
    // Leaving the loop destroys the response.
    if (length > maxBytes) break
  }
  return Buffer.concat(chunks).toString()
}

/** The address of a listener for connections from this host. */
function target(address: ListenAddress): RequestOptions {
  if (address.kind === 'unix') return { socketPath: address.path }
  const loopbackOf: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  return { host: loopbackOf[address.host] ?? address.host, port: address.port }
}
