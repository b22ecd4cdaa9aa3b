/**
 * How the TLS handshake with a client of an intercepted host ended. `closed` includes connections that the client
 * closed without a request, because many clients verify the certificate after the handshake.
 */
const HANDSHAKE_OUTCOMES = [
  'ok',
  'unknown_ca',
  'bad_certificate',
  'closed',
  'no_sni',
  'sni_mismatch',
  'plain_http',
  'protocol',
  'timeout',
  'other',
] as const

type HandshakeOutcome = (typeof HANDSHAKE_OUTCOMES)[number]

export type HandshakeFailure = {
  readonly outcome: Exclude<HandshakeOutcome, 'ok'>
  readonly reason: string
  /** What to do about it. */
  readonly advice: string
}

/** The handshakes of one host, as a route names it. */
type InterceptedHost = {
  readonly host: string
  readonly handshakes: ReadonlyMap<HandshakeOutcome, number>
  readonly lastFailure: (HandshakeFailure & { readonly atMs: number }) | undefined
  readonly lastSuccessAtMs: number | undefined
}

/** Counts the handshakes of intercepted hosts, for metrics and the status page. */
export type InterceptionRecord = {
  /** Includes a host without handshakes, so that its counters begin at 0. */
  readonly add: (host: string) => void
  readonly succeeded: (host: string, nowWallMs: number) => void
  readonly failed: (host: string, failure: HandshakeFailure, nowWallMs: number) => void
  readonly list: () => readonly InterceptedHost[]
}

type State = {
  readonly handshakes: Map<HandshakeOutcome, number>
  lastFailure: InterceptedHost['lastFailure']
  lastSuccessAtMs: number | undefined
}

export function createInterceptionRecord(): InterceptionRecord {
  const hosts = new Map<string, State>()
  const stateOf = (host: string): State => {
    const known = hosts.get(host)
    if (known !== undefined) return known
    const handshakes = new Map(HANDSHAKE_OUTCOMES.map((outcome) => [outcome, 0]))
    const state: State = { handshakes, lastFailure: undefined, lastSuccessAtMs: undefined }
    hosts.set(host, state)
    return state
  }
  const count = ({ handshakes }: State, outcome: HandshakeOutcome): void => {
    handshakes.set(outcome, (handshakes.get(outcome) ?? 0) + 1)
  }
  return {
    add: (host) => void stateOf(host),
    succeeded(host, nowWallMs) {
      const state = stateOf(host)
      count(state, 'ok')
      state.lastSuccessAtMs = nowWallMs
    },
    failed(host, failure, nowWallMs) {
      const state = stateOf(host)
      count(state, failure.outcome)
      state.lastFailure = { ...failure, atMs: nowWallMs }
    },
    list: () => [...hosts].map(([host, state]) => ({ host, ...state })),
  }
}
