import { Pool } from 'undici'
import type { Clock } from '../lib/clock.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import type { TlsMaterial, TlsReader } from '../lib/tls-material.ts'

/** The connections to one origin. */
export type Upstream = {
  readonly origin: string
  /** The value of `Host`. */
  readonly host: string
  /** For the next request; another one after certificates were rotated. */
  readonly pool: () => Pool
  readonly close: () => Promise<void>
}

export type UpstreamOptions = {
  readonly origin: string
  readonly readTls: TlsReader
  readonly connectTimeoutMs: number
  readonly maxHeaderBytes: number
  readonly clock: Clock
}

/** More at once wait their turn: an upstream in trouble must not take all our sockets. */
const MAX_CONNECTIONS = 1024
/** How often certificates are looked at, where the upstream has any of its own. */
const TLS_INTERVAL_MS = 10_000

/** Fails when its certificates can't be read. */
export async function createUpstream(options: UpstreamOptions): Promise<Upstream> {
  const { origin, readTls, clock } = options
  let tls = await readTls()
  let pool = createPool(options, tls)
  let cancelWatch = watch()
  return {
    origin,
    host: new URL(origin).host,
    pool: () => pool,
    async close() {
      cancelWatch()
      await pool.destroy()
    },
  }

  /** Rotation is a new pool; the old one finishes what it has begun. */
  function watch(): () => void {
    if (tls.ca === undefined && tls.cert === undefined) return () => {}
    return clock.schedule(TLS_INTERVAL_MS, () => {
      // Files that can't be read, or don't fit together yet, are left for the next look.
      const look = readTls().catch(() => tls)
      void look.then((found) => {
        if (fingerprintOf(found) !== fingerprintOf(tls)) {
          const old = pool
          tls = found
          pool = createPool(options, tls)
          void old.close()
        }
        cancelWatch = watch()
      })
    })
  }
}

function fingerprintOf({ ca, cert, key }: TlsMaterial): string {
  return fingerprint(ca, cert, key)
}

/** Every option that matters is set, because defaults change between versions. */
function createPool(options: UpstreamOptions, tls: TlsMaterial): Pool {
  const { origin, connectTimeoutMs, maxHeaderBytes } = options
  return new Pool(origin, {
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
    connect: { timeout: connectTimeoutMs, ...tls },
  })
}
