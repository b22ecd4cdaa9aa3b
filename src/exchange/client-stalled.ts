import { SidecarError } from '../errors.ts'

/** The client stopped reading or sending. */
export function clientStalled(reason: string): SidecarError {
  return new SidecarError('request_timeout', `Cannot wait any longer for the client: ${reason}`)
}
