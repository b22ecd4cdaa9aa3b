import type { Duplex } from 'node:stream'
import type { Clock } from '../lib/clock.ts'

/** How a tunnel went. */
export type TunnelReport = {
  readonly bytesToUpstream: number
  readonly bytesToClient: number
  readonly end: 'closed' | 'reset' | 'idle'
}

/** Both directions of a tunnel, once what came too early has been put back where it belongs. */
export type TunnelEnds = {
  readonly client: Duplex
  readonly upstream: Duplex
  /** What the client sent before the tunnel stood. */
  readonly early: Buffer
}

/**
 * Joins two connections until both sides have ended, one of them breaks, or nothing has moved for
 * `idleMs` (0 for no limit). An end on one side is passed on, and the other direction goes on
 * (RFC 9110 section 9.3.6); a break ends both.
 */
export async function joinTunnel(
  { client, upstream, early }: TunnelEnds,
  idleMs: number,
  clock: Clock,
): Promise<TunnelReport> {
  const { promise, resolve } = Promise.withResolvers<TunnelReport>()
  let bytesToUpstream = early.length
  let bytesToClient = 0
  let movedAtMs = clock.monotonicMs()
  let open = 2
  let end: TunnelReport['end'] = 'closed'

  const breakOff = (why: TunnelReport['end']): void => {
    if (end === 'closed') end = why
    client.destroy()
    upstream.destroy()
  }
  const onClose = (): void => {
    open -= 1
    if (open === 0) {
      cancelWatch()
      resolve({ bytesToUpstream, bytesToClient, end })
    }
  }
  const connect = (from: Duplex, to: Duplex, count: (bytes: number) => void): void => {
    from.on('error', () => breakOff('reset'))
    from.on('data', (chunk: Buffer) => {
      movedAtMs = clock.monotonicMs()
      count(chunk.length)
    })
    from.pipe(to)
    const closed = (): void => {
      // Without an end in both directions it was cut off; after them the other side has been told.
      if (!from.readableEnded || !from.writableFinished) breakOff('reset')
      onClose()
    }
    if (from.closed) closed()
    else from.once('close', closed)
  }

  let cancelWatch = idleMs === 0 ? () => {} : clock.schedule(idleMs, lookForSilence)
  function lookForSilence(): void {
    const leftMs = movedAtMs + idleMs - clock.monotonicMs()
    if (leftMs <= 0) breakOff('idle')
    else cancelWatch = clock.schedule(leftMs, lookForSilence)
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
