import { createMetrics, type Metrics } from '../../src/observe/metrics.ts'

/** A route name with every character that the exposition format escapes. */
export const ODD = 'a "b" \\ \\n c\nd,e="f"}'

/** Every metric, each with a value. */
export function busyMetrics(): Metrics {
  const metrics = createMetrics({ version: '1.2.3' })
  for (const name of ['orders', 'invoices', ODD]) {
    const route = metrics.route(name)
    route.started()
    route.finished('GET', 200, 12)
    route.started()
    route.finished('POST', 502, 70_000)
    route.started()
    route.failed('upstream_timeout')
    route.tokenWaited(3)
    route.upstreamResponded(0.2, '1.1')
    route.notAuthorized(401)
    route.grpcFinished(14)
  }
  metrics.rejectedCallers.note('partners', 'no_credentials')
  metrics.tokenRequests('corp').finished('success', 100)
  metrics.tokenRequests('corp').finished('token_rejected', 100)
  metrics.tokenRequests('partner').finished('success', 5)
  metrics.interception.add('api.example.com')
  metrics.interception.succeeded('*.example.com', 0)
  const usable = { usable: true, expiresAtMs: 1_793_534_400_500, lifetimeMs: 300_000 }
  const unusable = { usable: false, expiresAtMs: undefined, lifetimeMs: undefined }
  const load = { connected: 3, running: 2, queued: 1 }
  metrics.watch({
    tokens: [
      { credential: 'corp', token: 'corp', read: () => usable },
      { credential: 'corp', token: 'corp/invoices', read: () => usable },
      { credential: 'partner', token: 'partner', read: () => unusable },
    ],
    upstreams: [
      { origin: 'https://orders.example.com', read: () => load },
      { origin: 'https://invoices.example.com', read: () => load },
    ],
    rejections: [
      { route: 'orders', read: () => ({ isEveryRequestRejected: true }) },
      { route: 'invoices', read: () => undefined },
    ],
    hasTokenStore: true,
  })
  return metrics
}
