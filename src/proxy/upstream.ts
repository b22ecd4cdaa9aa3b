import { Pool } from 'undici'

/** The connections to one origin. */
export type Upstream = {
  readonly origin: string
  readonly pool: Pool
  /** The value of `Host`. */
  readonly host: string
}

export type UpstreamOptions = {
  readonly origin: string
  /** Certificates to trust instead of the system's, in PEM form. */
  readonly ca: string | undefined
  readonly connectTimeoutMs: number
  readonly maxHeaderBytes: number
}

/** More at once wait their turn: an upstream in trouble must not take all our sockets. */
const MAX_CONNECTIONS = 1024

/** Every option that matters is set, because defaults change between versions. */
export function createUpstream(options: UpstreamOptions): Upstream {
  const { origin, ca, connectTimeoutMs, maxHeaderBytes } = options
  const pool = new Pool(origin, {
    connections: MAX_CONNECTIONS,
    pipelining: 1,
    allowH2: false,
    autoSelectFamily: true,
    // Shorter than most servers keep an idle connection, so that it is we who close it.
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 60_000,
    keepAliveTimeoutThreshold: 1_000,
    maxHeaderSize: maxHeaderBytes,
    strictContentLength: true,
    // The name is looked up again for new connections, so none may live for ever.
    clientTtl: 300_000,
    connect: { timeout: connectTimeoutMs, ...(ca !== undefined && { ca }) },
  })
  return { origin, pool, host: new URL(origin).host }
}
