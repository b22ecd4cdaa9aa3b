import { constants } from 'node:http2'

const NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const

const NAME_OF: ReadonlyMap<number, string> = new Map(
  NAMES.map((name) => [constants[`NGHTTP2_${name}`], name]),
)

/** The name of an HTTP/2 error code (RFC 9113 section 7); undefined for an unregistered one. */
export function http2ErrorName(code: number): string | undefined {
  return NAME_OF.get(code)
}
