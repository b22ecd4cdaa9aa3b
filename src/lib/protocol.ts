/** The protocols of requests, by the names of ALPN (RFC 7301) where it has one. */
export const PROTOCOLS = ['http/1.0', 'http/1.1', 'h2', 'other'] as const

type Protocol = (typeof PROTOCOLS)[number]

/** `version` as `Via` names it (RFC 9110 section 7.6.3). */
export function protocolOf(version: string): Protocol {
  switch (version) {
    case '1.1': {
      return 'http/1.1'
    }
    case '2.0': {
      return 'h2'
    }
    case '1.0': {
      return 'http/1.0'
    }
    default: {
      return 'other'
    }
  }
}
