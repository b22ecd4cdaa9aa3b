import type { Upstream } from '../../src/proxy/upstream.ts'

/** Asks an upstream for "/". Resolves with the body of its answer. */
export async function bodyFrom(upstream: Pick<Upstream, 'dispatch'>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let body = ''
  upstream.dispatch(
    { path: '/', method: 'GET' },
    {
      onRequestStart() {},
      onResponseStart() {},
      onResponseData: (_controller, chunk) => void (body += chunk.toString('latin1')),
      onResponseEnd: () => resolve(body),
      onResponseError: (_controller, error) => reject(error),
    },
  )
  return await promise
}
