import { FAILURES, type SidecarError } from '../errors.ts'
import { fieldValues } from '../http/field-lines.ts'
import type { ResponseWriter } from '../http/response-writer.ts'
import type { UpstreamResponse } from '../http/round-trip.ts'

/** Status codes of gRPC with a meaning for the token (grpc/grpc, doc/statuscodes.md). */
const PERMISSION_DENIED = 7
const UNAUTHENTICATED = 16
const MAX_STATUS = 16

/** For a status that gRPC does not define. */
const UNKNOWN_STATUS = 2

/** The `grpc-status` in a header or trailer section; undefined where there is none. */
export function grpcStatusOf(fields: readonly string[]): number | undefined {
  const [value] = fieldValues(fields, 'grpc-status')
  if (value === undefined) return undefined
  return /^\d{1,2}$/.test(value) && Number(value) <= MAX_STATUS ? Number(value) : UNKNOWN_STATUS
}

/** The status of HTTP that says the same about the authorization of a call; undefined for all others. */
export function authorizationStatus(grpcStatus: number | undefined): 401 | 403 | undefined {
  if (grpcStatus === UNAUTHENTICATED) return 401
  return grpcStatus === PERMISSION_DENIED ? 403 : undefined
}

/**
 * Calls `onStatus` once with the status of the call: that of a trailers-only response at once, that in the
 * trailer section when it arrives; undefined for a response that has none. Returns the writer to use.
 */
export function observeGrpcStatus(
  { status, fields }: Pick<UpstreamResponse, 'status' | 'fields'>,
  writer: ResponseWriter,
  onStatus: (grpcStatus: number | undefined) => void,
): ResponseWriter {
  const inHead = grpcStatusOf(fields)
  if (inHead !== undefined || status !== 200) {
    onStatus(inHead)
    return writer
  }
  return {
    ...writer,
    end(trailers) {
      onStatus(grpcStatusOf(trailers))
      return writer.end(trailers)
    },
  }
}

/** A failure as the header section of a trailers-only response (grpc/grpc, doc/PROTOCOL-HTTP2.md). */
export function grpcFailureFields({ code, message }: SidecarError): string[] {
  return [
    'content-type',
    'application/grpc',
    'grpc-status',
    String(FAILURES[code].grpcStatus),
    'grpc-message',
    percentEncoded(`${FAILURES[code].title}: ${message}`),
  ]
}

/** Octets outside of printable ASCII, and the percent sign, are encoded. */
function percentEncoded(text: string): string {
  let encoded = ''
  for (const octet of Buffer.from(text)) {
    const isPlain = octet >= 0x20 && octet <= 0x7e && octet !== 0x25
    encoded += isPlain
      ? String.fromCharCode(octet)
      : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
