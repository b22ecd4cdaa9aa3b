import { SidecarError, toSidecarError } from '../errors.ts'
import type { RequestSpan, TokenWaitSpan } from '../observe/tracer.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'

/** Waits for a token until `limitMs` have passed (`token_unavailable`) or `signal` aborts. */
export async function whileClientWaits<T>(
  signal: AbortSignalLike,
  limitMs: number,
  start: (waitSignal: AbortSignal, waiting: TokenWaitSpan | undefined) => T,
  span: RequestSpan | undefined,
): Promise<Awaited<T>> {
  const wait = new AbortController()
  const timer = setTimeout(() => {
    wait.abort(
      new SidecarError(
        'token_unavailable',
        'Cannot wait any longer for a token: the authorization server did not respond in time',
        { retryAfterMs: 1000 },
      ),
    )
  }, limitMs)
  const onAbort = (): void => wait.abort(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  const waiting = span?.tokenWait()
  try {
    const outcome = await start(wait.signal, waiting)
    if (outcome !== undefined) waiting?.end({})
    return outcome
  } catch (cause) {
    waiting?.end({ failure: toSidecarError(cause) })
    throw cause
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}
