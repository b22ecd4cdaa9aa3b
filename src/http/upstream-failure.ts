import { type Retry, SidecarError } from '../errors.ts'
import { networkFault, type NetworkFault } from '../lib/network-fault.ts'

const CODES = {
  unreachable: 'upstream_unreachable',
  tls: 'upstream_tls',
  timeout: 'upstream_timeout',
  protocol: 'upstream_protocol',
  reset: 'upstream_reset',
} as const satisfies Record<NetworkFault['kind'], string>

/** What went wrong with the upstream at `origin`, for the application. */
export function upstreamFailure(
  origin: string,
  kind: NetworkFault['kind'],
  reason: string,
  cause?: unknown,
): SidecarError {
  const message = `Cannot get a response from "${origin}": ${reason}`
  return new SidecarError(CODES[kind], message, { cause })
}

/** What went wrong at the proxy between the sidecar and the upstream at `origin`; `reason` names the proxy. */
export function proxyFailure(origin: string, reason: string, cause?: unknown): SidecarError {
  return new SidecarError('upstream_proxy', `Cannot reach "${origin}": ${reason}`, { cause })
}

/** `upstreamFailure` for an error of the system or OpenSSL. */
export function toUpstreamFailure(origin: string, thrown: unknown): SidecarError {
  if (thrown instanceof SidecarError) return thrown
  const fault = networkFault(thrown)
  return fault === undefined
    ? new SidecarError(
        'internal_error',
        `Cannot send the request to "${origin}": an unexpected error`,
        { cause: thrown },
      )
    : upstreamFailure(origin, fault.kind, fault.reason, thrown)
}

/** `upstreamFailure` for one upstream. */
export type UpstreamFailure = (kind: NetworkFault['kind'], reason: string) => SidecarError

/** The same failure, of a request that may be sent again. */
export function withRetry({ code, message, cause }: SidecarError, retry: Retry): SidecarError {
  return new SidecarError(code, message, { cause, retry })
}
