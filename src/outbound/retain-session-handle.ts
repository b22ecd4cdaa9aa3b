import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'

const registry = new FinalizationRegistry<unknown>(() => {})

/** The native part of a session, which node:http2 releases when the session is destroyed. */
export function handleOf(session: ClientHttp2Session): unknown {
  const symbol = Object.getOwnPropertySymbols(session).find(
    ({ description }) => description === 'kHandle',
  )
  return symbol === undefined ? undefined : Reflect.get(session, symbol)
}

/**
 * Keeps the native part of a session in memory until the stream has been collected. If both are collected at
 * once, node:http2 may free the session first; where a header section of the stream is incomplete, that
 * aborts the process ("Assertion failed: (current_nghttp2_memory_) == (0)").
 */
export function retainHandle(handle: unknown, stream: ClientHttp2Stream): void {
  registry.register(stream, handle)
}
