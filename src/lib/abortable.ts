import type { AbortSignalLike } from './abort-controller.ts'

/** Waits for `promise` until `signal` aborts. The work behind the promise is not cancelled. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignalLike): Promise<T> {
  if (signal.aborted) throw signal.reason
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
