import type { OpenUpstream } from '../../src/outbound/upstream.ts'
import { openUndiciUpstream } from './undici-upstream.ts'

/**
 * `UPSTREAM_CLIENT=undici` runs the sidecars of tests and the benchmark with undici as upstream client;
 * undefined selects the client of the product.
 */
export const upstreamClient: OpenUpstream | undefined = chosen(process.env['UPSTREAM_CLIENT'])

function chosen(name: string | undefined): OpenUpstream | undefined {
  if (name === undefined || name === 'outbound') return undefined
  if (name === 'undici') return openUndiciUpstream
  throw new Error(`expected "outbound" or "undici" as UPSTREAM_CLIENT, got "${name}"`)
}
