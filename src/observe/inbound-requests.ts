import { INTEGRATION_MODES, type IntegrationMode } from '../lib/integration-mode.ts'
import { PROTOCOLS } from '../lib/protocol.ts'
import type { Sample } from './exposition.ts'

/** Counts the requests of applications by protocol and integration mode. */
export type InboundRequests = {
  readonly count: (protocol: string, mode: IntegrationMode) => void
  /** The sums over all modes. */
  readonly byProtocol: () => ReadonlyMap<string, number>
  readonly read: () => Sample[]
}

/** Every combination from the start, so that rate() sees the first increase. */
export function createInboundRequests(): InboundRequests {
  const modes = new Map(
    INTEGRATION_MODES.map((mode) => [
      mode,
      new Map<string, number>(PROTOCOLS.map((name) => [name, 0])),
    ]),
  )
  return {
    count(protocol, mode) {
      const protocols = modes.get(mode)
      protocols?.set(protocol, (protocols.get(protocol) ?? 0) + 1)
    },
    read: () =>
      [...modes].flatMap(([mode, protocols]) =>
        [...protocols].map(([protocol, value]) => ({ labels: { protocol, mode }, value })),
      ),
    byProtocol() {
      const sums = new Map<string, number>()
      for (const [protocol, count] of [...modes.values()].flatMap((protocols) => [...protocols])) {
        sums.set(protocol, (sums.get(protocol) ?? 0) + count)
      }
      return sums
    },
  }
}
