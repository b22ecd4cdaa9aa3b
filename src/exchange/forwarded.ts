import { isField } from '../http/field-lines.ts'

/** The fields that describe the client: `Forwarded` (RFC 7239), the `X-Forwarded-…` fields, both, or none. */
export type ForwardedStyle = 'off' | 'forwarded' | 'x-forwarded' | 'both'

/** The client of a request. */
export type Sender = {
  /** The address is undefined on a Unix socket. */
  readonly socket: {
    readonly remoteAddress?: string | undefined
    readonly encrypted?: boolean | undefined
  }
  /** The host of the request target; empty if it has none. */
  readonly host: string
}

/**
 * Appends an element to the lists of addresses. The host and the scheme of an earlier proxy are kept, because they
 * describe the original request.
 */
export function addForwarded(headers: string[], style: ForwardedStyle, sender: Sender): void {
  const scheme = sender.socket.encrypted === true ? 'https' : 'http'
  const address = sender.socket.remoteAddress?.replace(/^::ffff:/, '')
  if (style === 'forwarded' || style === 'both') {
    const parts = [`for=${nodeOf(address)}`]
    if (sender.host !== '') parts.push(`host="${sender.host}"`)
    addElement(headers, 'Forwarded', [...parts, `proto=${scheme}`].join(';'))
  }
  if (style === 'x-forwarded' || style === 'both') {
    if (address !== undefined) addElement(headers, 'X-Forwarded-For', address)
    if (sender.host !== '') addIfAbsent(headers, 'X-Forwarded-Host', sender.host)
    addIfAbsent(headers, 'X-Forwarded-Proto', scheme)
  }
}

/** RFC 7239 section 6: an IPv6 address is bracketed and quoted; "unknown" where there is none. */
function nodeOf(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  return address.includes(':') ? `"[${address}]"` : address
}

/** Joins all elements of a list in one line, the new one last, because some servers read one line only. */
function addElement(headers: string[], name: string, element: string): void {
  const elements: string[] = []
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (isField(headers[i] ?? '', name.toLowerCase())) {
      elements.unshift(headers[i + 1] ?? '')
      headers.splice(i, 2)
    }
  }
  headers.push(name, [...elements, element].join(', '))
}

function addIfAbsent(headers: string[], name: string, value: string): void {
  for (let i = 0; i < headers.length; i += 2) {
    if (isField(headers[i] ?? '', name.toLowerCase())) return
  }
  headers.push(name, value)
}
