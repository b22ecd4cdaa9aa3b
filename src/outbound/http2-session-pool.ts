import type { Socket } from 'node:net'
import { toUpstreamFailure, upstreamFailure } from '../http/upstream-failure.ts'
import type { UpstreamRequest, UpstreamResponse } from '../http/round-trip.ts'
import type { Clock } from '../lib/clock.ts'
import type { ConnectionPool } from './connection-pool.ts'
import { enqueue, type QueuedRequest } from './queued-request.ts'
import type { Connect, EndOfData } from './connector.ts'
import type { Http2Observer } from './http2-observer.ts'
import { createHttp2Session, type Http2Session, type Http2SessionOptions } from './http2-session.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'

export type Http2SessionPoolOptions = Pick<
  Http2SessionOptions,
  'origin' | 'scheme' | 'host' | 'maxHeaderBytes'
> & {
  readonly connect: Connect
  readonly maxSessions: number
  /** How old a session may be to be used for another request. */
  readonly lifetimeSeconds: number
  readonly observer: Http2Observer
  readonly clock: Clock
}

/** A session, with seconds since the pool was created. */
type Entry = {
  readonly session: Http2Session
  readonly end: EndOfData
  readonly openedAt: number
  /** When something was received or a request was sent last. */
  activeAt: number
  /** When the PING was sent that is not acknowledged yet. */
  pingedAt: number | undefined
  /** How many PINGs were sent since `activeAt`. */
  pings: number
}

/** Shorter than most servers and load balancers keep an idle connection. */
const IDLE_SECONDS = 45
/** A session that was idle for longer is verified with a PING before it is used. */
const TRUSTED_SECONDS = 5
const VERIFY_SECONDS = 2
/**
 * A session with open streams is verified when nothing was received for this long. gRPC servers close a
 * connection after a third PING within five minutes, unless they have sent something in between.
 */
const FIRST_PING_SECONDS = 20
const NEXT_PING_SECONDS = 310
const PING_TIMEOUT_SECONDS = 15
/** The lifetime of a session whose TLS runs in JavaScript (`verifiesEnd`), which costs more. */
const VERIFIED_SECONDS = 5

/** The HTTP/2 sessions to one origin, each for many requests at a time. */
export function createHttp2SessionPool(options: Http2SessionPoolOptions): ConnectionPool {
  const { origin, connect, maxSessions, lifetimeSeconds, clock } = options
  /**
   * Those that accept more requests, and those that finish the ones they have. The latter do not count
   * as long as they are not more than `maxSessions`: a long stream must not prevent a new session.
   */
  const usable = new Set<Entry>()
  const retired = new Set<Entry>()
  /** Requests that wait for a free stream. */
  const waiting = new Set<QueuedRequest>()
  let connecting = 0
  let seconds = 0
  let isTicking = false
  let isRetired = false
  let isDestroyed = false

  const closed = () => upstreamFailure(origin, 'reset', 'the connection was closed')

  /** The first session with a free stream, so that the others fall idle. */
  const findFree = (): Entry | undefined => {
    for (const entry of usable) {
      if (entry.pingedAt === undefined && entry.session.hasFreeStream()) return entry
    }
    return undefined
  }

  const isTrusted = ({ session, activeAt }: Entry): boolean =>
    session.streams() > 0 || seconds - activeAt <= TRUSTED_SECONDS

  const send = (entry: Entry, request: UpstreamRequest, signal: AbortSignalLike) => {
    entry.activeAt = seconds
    entry.pings = 0
    return entry.session.send(request, signal)
  }

  const sendWaiting = (): void => {
    while (waiting.size > 0) {
      const entry = findFree()
      if (entry === undefined) break
      if (!isTrusted(entry)) {
        ping(entry)
        continue
      }
      const [next] = waiting
      if (next === undefined) break
      waiting.delete(next)
      next.sendWith((request, signal) => send(entry, request, signal))
    }
    connectForWaiting()
  }

  const connectForWaiting = (): void => {
    // One at a time, because it will serve many.
    if (waiting.size === 0 || connecting > 0 || isDestroyed) return
    if (usable.size >= maxSessions || usable.size + retired.size >= 2 * maxSessions) return
    for (const { session, pingedAt } of usable) {
      // It is being verified, or the upstream allows no streams at all.
      if (pingedAt !== undefined || session.streams() === 0) return
    }
    connecting += 1
    connect((error, socket, end) => {
      connecting -= 1
      if (socket !== null) adopt(socket, end)
      else if (error !== null && usable.size === 0) failWaiting(error)
    }, false)
  }

  /** All of them waited for the same connection. */
  const failWaiting = (error: unknown): void => {
    const requests = [...waiting]
    waiting.clear()
    for (const request of requests) request.fail(error)
  }

  const adopt = (socket: Socket, end: EndOfData): void => {
    if (isDestroyed) {
      socket.on('error', () => {})
      socket.destroy()
      return
    }
    const entry: Entry = {
      session: createHttp2Session(socket, {
        ...options,
        onStreamFree: sendWaiting,
        onRetired() {
          usable.delete(entry)
          retired.add(entry)
          sendWaiting()
        },
        onClosed() {
          retired.delete(entry)
          sendWaiting()
        },
      }),
      end,
      openedAt: seconds,
      activeAt: seconds,
      pingedAt: undefined,
      pings: 0,
    }
    usable.add(entry)
    keepTicking()
    sendWaiting()
    if (isRetired && waiting.size === 0) entry.session.retire()
  }

  const ping = (entry: Entry): void => {
    entry.pingedAt = seconds
    entry.pings += 1
    entry.session.ping(() => {
      entry.pingedAt = undefined
      if (entry.session.streams() === 0) entry.activeAt = seconds
      sendWaiting()
    })
  }

  const keepTicking = (): void => {
    if (isTicking || usable.size + retired.size === 0) return
    isTicking = true
    clock.schedule(1_000, () => {
      isTicking = false
      seconds += 1
      for (const entry of [...usable, ...retired]) check(entry)
      keepTicking()
    })
  }

  /** Once a second. */
  const check = (entry: Entry): void => {
    const { session, pingedAt, openedAt } = entry
    const streams = session.streams()
    if (session.takeActivity() && streams > 0) {
      entry.activeAt = seconds
      entry.pings = 0
    }
    const idleFor = seconds - entry.activeAt
    if (pingedAt !== undefined) {
      const limit = streams === 0 ? VERIFY_SECONDS : PING_TIMEOUT_SECONDS
      if (seconds - pingedAt > limit) session.abandon(deadSession())
    } else if (streams === 0 && idleFor >= IDLE_SECONDS) session.retire()
    else if (seconds - openedAt >= lifetimeOf(entry)) session.retire()
    else if (streams > 0) {
      const dueAfter = FIRST_PING_SECONDS + entry.pings * NEXT_PING_SECONDS
      if (idleFor >= dueAfter) ping(entry)
    }
  }

  const lifetimeOf = ({ end }: Entry): number =>
    end.means === 'tls, verified' ? Math.min(VERIFIED_SECONDS, lifetimeSeconds) : lifetimeSeconds

  const deadSession = () => upstreamFailure(origin, 'reset', 'no response to PING')

  const sendLater = (
    request: UpstreamRequest,
    signal: AbortSignalLike,
  ): Promise<UpstreamResponse> => {
    const sent = enqueue(waiting, request, signal, origin)
    sendWaiting()
    return sent
  }

  return {
    roundTrip(request, signal) {
      if (isDestroyed) return Promise.reject(closed())
      if (signal.aborted) return Promise.reject(toUpstreamFailure(origin, signal.reason))
      const entry = waiting.size === 0 ? findFree() : undefined
      return entry !== undefined && isTrusted(entry)
        ? send(entry, request, signal)
        : sendLater(request, signal)
    },
    adopt,
    takeQueue() {
      const requests = [...waiting]
      waiting.clear()
      return requests
    },
    load() {
      let running = 0
      for (const { session } of usable) running += session.streams()
      for (const { session } of retired) running += session.streams()
      return { connected: usable.size + retired.size, running, queued: waiting.size }
    },
    retire() {
      isRetired = true
      for (const { session } of usable) session.retire()
    },
    destroy() {
      isDestroyed = true
      failWaiting(closed())
      for (const { session } of [...usable, ...retired]) session.destroy(closed())
    },
  }
}
