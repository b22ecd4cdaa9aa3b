import type { ServerResponse } from 'node:http'
import { clientClosed, SidecarError, toSidecarError } from '../errors.ts'
import type { RequestSpan, TokenWaitSpan } from '../observe/tracer.ts'

/**
 * Waits for something for the client of `res`: no longer than `limitMs` (`token_unavailable`), and
 * no longer than the client stays (`client_closed`).
 */
export async function whileClientWaits<T>(
  res: ServerResponse,
  limitMs: number,
  start: (signal: AbortSignal, waiting: TokenWaitSpan | undefined) => T,
  span: RequestSpan | undefined,
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
  const waiting = span?.tokenWait()
  try {
    const outcome = await start(left.signal, waiting)
    // Where there is nothing to wait for, nobody did.
    if (outcome !== undefined) waiting?.end({})
    return outcome
  } catch (cause) {
    waiting?.end({ failure: toSidecarError(cause) })
    throw cause
  } finally {
    clearTimeout(timer)
    res.off('close', onClose)
  }
}
