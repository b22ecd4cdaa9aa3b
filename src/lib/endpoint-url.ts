import { isLoopbackHost } from './loopback.ts'

/**
 * Whether a URL can be that of a token endpoint: http(s), without user information and without a
 * fragment. It may have a query, which is kept (RFC 6749 section 3.2).
 */
export function isEndpointUrl(value: string): boolean {
  const url = URL.parse(value)
  return (
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' &&
    url.password === '' &&
    !/[\s\\#]/.test(value)
  )
}

/** Whether a request to this URL leaves the machine unencrypted. To a proxy, a loopback address is its own machine. */
export function isRemotePlaintext(value: string, hasProxy = false): boolean {
  const url = URL.parse(value)
  return url?.protocol === 'http:' && (hasProxy || !isLoopbackHost(url.hostname))
}
