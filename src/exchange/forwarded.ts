import { isField } from '../http/field-lines.ts'

/** Which fields tell the upstream who asked: RFC 7239's, the older ones, both, or none. */
export type ForwardedStyle = 'off' | 'forwarded' | 'x-forwarded' | 'both'

/** Who sent the request, as seen from here. */
export type Sender = {
  /** Its address is not defined on a Unix socket. */
  readonly socket: {
    readonly remoteAddress?: string | undefined
    readonly encrypted?: boolean | undefined
  }
  /** The host that the request was sent to; empty when it names none. */
  readonly host: string
}

/**
 * Adds one element behind those that are there already. The host and the scheme that an earlier proxy
 * has told are left as they are: it was nearer to whoever asked first.
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
    if (sender.host !== '') addUnlessThere(headers, 'X-Forwarded-Host', sender.host)
    addUnlessThere(headers, 'X-Forwarded-Proto', scheme)
  }
}

/** RFC 7239 section 6: an IPv6 address is bracketed and quoted; "unknown" where there is none. */
function nodeOf(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  return address.includes(':') ? `"[${address}]"` : address
}

/** Puts all elements of a list into one line, the new one last: there are readers that know one line only. */
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

function addUnlessThere(headers: string[], name: string, value: string): void {
  for (let i = 0; i < headers.length; i += 2) {
    if (isField(headers[i] ?? '', name.toLowerCase())) return
  }
  headers.push(name, value)
}
