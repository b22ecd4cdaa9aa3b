import { type Connected, composeUpstreamProbes } from '../compose/upstream-probes.ts'
import type { Config } from '../config/schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import { SidecarError } from '../errors.ts'
import { systemClock } from '../lib/clock.ts'
import { networkFault } from '../lib/network-fault.ts'

export type ProbedUpstream = {
  readonly origin: string
  readonly routes: readonly string[]
  readonly proxy: string | null
} & ({ readonly connected: Connected } | { readonly fault: string })

const MAX_CONCURRENT = 8

/** Connects to every upstream, several at a time. The results are in the order of the routes. */
export async function* probeUpstreams(
  config: Config,
  places: ConfigEnvironment,
): AsyncGenerator<ProbedUpstream> {
  const probes = composeUpstreamProbes(config, places, systemClock)
  const running: Promise<ProbedUpstream>[] = []
  const start = (index: number): void => {
    const probe = probes[index]
    if (probe === undefined) return
    const { origin, routes, proxy } = probe
    running[index] = probe.connect().then(
      (connected) => ({ origin, routes, proxy, connected }),
      (cause: unknown) => ({ origin, routes, proxy, fault: faultOf(cause) }),
    )
  }
  let started = Math.min(MAX_CONCURRENT, probes.length)
  for (let index = 0; index < started; index += 1) start(index)
  for (let index = 0; index < probes.length; index += 1) {
    const result = running[index]
    if (result === undefined) return
    yield await result
    start(started)
    started += 1
  }
}

function faultOf(cause: unknown): string {
  const code = codeOf(cause)
  // The message says what is wrong with which proxy.
  if (cause instanceof SidecarError && code === 'upstream_proxy') return cause.message
  if (code === 'upstream_timeout') return 'connection timed out'
  if (code === 'upstream_protocol') {
    return 'HTTP/2 is not negotiated (ALPN); "http2" of the route requires it'
  }
  return networkFault(cause)?.reason ?? `connection failed (${code ?? 'unknown reason'})`
}

/** The code of an error; if several addresses were tried, that of the first one. */
function codeOf(cause: unknown): string | undefined {
  if (cause instanceof AggregateError && cause.errors.length > 0) return codeOf(cause.errors[0])
  return cause instanceof Error && 'code' in cause ? String(cause.code) : undefined
}
