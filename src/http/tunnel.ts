import type { Duplex } from 'node:stream'
import type { Clock } from '../lib/clock.ts'

/** The outcome of a tunnel. */
export type TunnelReport = {
  readonly bytesToUpstream: number
  readonly bytesToClient: number
  readonly end: 'closed' | 'reset' | 'idle'
}

/** The two connections that a tunnel joins. */
export type TunnelEnds = {
  readonly client: Duplex
  readonly upstream: Duplex
  /** What the client sent before the tunnel was established. */
  readonly early: Buffer
}

/**
 * Joins two connections until both sides have ended, one of them is reset, or the tunnel has been idle for
 * `idleMs` (0 for no limit). An end on one side is forwarded, and the other direction stays open
 * (RFC 9110 section 9.3.6); a reset ends both.
 */
export async function joinTunnel(
  { client, upstream, early }: TunnelEnds,
  idleMs: number,
  clock: Clock,
): Promise<TunnelReport> {
  const { promise, resolve } = Promise.withResolvers<TunnelReport>()
  let bytesToUpstream = early.length
  let bytesToClient = 0
  let lastActivityMs = clock.monotonicMs()
  let open = 2
  let end: TunnelReport['end'] = 'closed'

  const abort = (why: TunnelReport['end']): void => {
    if (end === 'closed') end = why
    client.destroy()
    upstream.destroy()
  }
  const onClose = (): void => {
    open -= 1
    if (open === 0) {
      cancelCheck()
      resolve({ bytesToUpstream, bytesToClient, end })
    }
  }
  const connect = (from: Duplex, to: Duplex, count: (bytes: number) => void): void => {
    from.on('error', () => abort('reset'))
    from.on('data', (chunk: Buffer) => {
      lastActivityMs = clock.monotonicMs()
      count(chunk.length)
    })
    from.pipe(to)
    const closed = (): void => {
      // A connection that closes before both directions have ended was reset.
      if (!from.readableEnded || !from.writableFinished) abort('reset')
      onClose()
    }
    if (from.closed) closed()
    else from.once('close', closed)
  }

  let cancelCheck = idleMs === 0 ? () => {} : clock.schedule(idleMs, checkIdle)
  function checkIdle(): void {
    const leftMs = lastActivityMs + idleMs - clock.monotonicMs()
    if (leftMs <= 0) abort('idle')
    else cancelCheck = clock.schedule(leftMs, checkIdle)
  }

  if (early.length > 0) upstream.write(early)
  connect(client, upstream, (bytes) => {
    bytesToUpstream += bytes
  })
  connect(upstream, client, (bytes) => {
    bytesToClient += bytes
  })
  return await promise
}
