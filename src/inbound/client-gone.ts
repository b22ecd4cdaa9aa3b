import type { IncomingMessage } from 'node:http'
import { clientClosed, type SidecarError } from '../errors.ts'

const faults = new WeakMap<IncomingMessage, SidecarError>()

/** Notes that a request that is being handled has turned out to be none: it will be cut off. */
export function noteFault(req: IncomingMessage, fault: SidecarError): void {
  faults.set(req, fault)
}

/** Why there is nobody, or nothing, any more to go on with. */
export function clientGone(req: IncomingMessage): SidecarError {
  return faults.get(req) ?? clientClosed()
}
