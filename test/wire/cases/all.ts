import type { WireCase } from '../wire-case.ts'
import { CONNECTIONS } from './connections.ts'
import { INTERIM_RESPONSES } from './interim-responses.ts'
import { REQUEST_FRAMING } from './request-framing.ts'
import { REQUEST_HEADERS } from './request-headers.ts'
import { RESPONSE_FRAMING } from './response-framing.ts'
import { RESPONSE_HEADERS } from './response-headers.ts'
import { TARGETS } from './targets.ts'
import { TRUNCATION } from './truncation.ts'
import { UPSTREAM_CONNECTIONS } from './upstream-connections.ts'

/** All rows but those about smuggling, which need a proxy that adds a token. */
export const THEMES: readonly { readonly theme: string; readonly cases: readonly WireCase[] }[] = [
  { theme: 'targets', cases: TARGETS },
  { theme: 'headers of requests', cases: REQUEST_HEADERS },
  { theme: 'headers of responses', cases: RESPONSE_HEADERS },
  { theme: 'framing of requests', cases: REQUEST_FRAMING },
  { theme: 'framing of responses', cases: RESPONSE_FRAMING },
  { theme: 'interim responses', cases: INTERIM_RESPONSES },
  { theme: 'truncation', cases: TRUNCATION },
  { theme: 'connections', cases: CONNECTIONS },
  { theme: 'connections to the upstream', cases: UPSTREAM_CONNECTIONS },
]
