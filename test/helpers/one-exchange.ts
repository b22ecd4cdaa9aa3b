import type { Upstream } from '../../src/outbound/upstream.ts'

/** Asks an upstream for "/". Resolves with the body of its answer. */
export async function bodyFrom(upstream: Pick<Upstream, 'dispatch'>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let body = ''
  upstream.dispatch(
    { path: '/', method: 'GET', headers: [], body: null, upgrade: undefined },
    {
      onStart() {},
      onHead() {},
      onUpgrade() {},
      onData: (chunk) => void (body += chunk.toString('latin1')),
      onEnd: () => resolve(body),
      onFailure: reject,
    },
  )
  return await promise
}
