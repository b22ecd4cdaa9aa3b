import type { ServerResponse } from 'node:http'
import { clientClosed, SidecarError } from '../errors.ts'

/**
 * Waits for something for the client of `res`: no longer than `limitMs` (`token_unavailable`), and
 * no longer than the client stays (`client_closed`).
 */
export async function whileClientWaits<T>(
  res: ServerResponse,
  limitMs: number,
  start: (signal: AbortSignal) => T,
): Promise<Awaited<T>> {
  const left = new AbortController()
  const timer = setTimeout(() => {
    left.abort(
      new SidecarError(
        'token_unavailable',
        'Cannot wait any longer for a token: the authorization server is slow',
        { retryAfterMs: 1000 },
      ),
    )
  }, limitMs)
  const onClose = (): void => left.abort(clientClosed())
  res.once('close', onClose)
  try {
    return await start(left.signal)
  } finally {
    clearTimeout(timer)
    res.off('close', onClose)
  }
}
