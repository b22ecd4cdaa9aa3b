import type { IncomingMessage } from 'node:http'
import { clientClosed, type SidecarError } from '../errors.ts'

const reasons = new WeakMap<IncomingMessage, SidecarError>()

/** For a request in progress whose rest turns out to be malformed; its connection is closed. */
export function setAbortReason(req: IncomingMessage, reason: SidecarError): void {
  reasons.set(req, reason)
}

/** Why a request was aborted: by the client, if nothing else is known. */
export function abortReason(req: IncomingMessage): SidecarError {
  return reasons.get(req) ?? clientClosed()
}
