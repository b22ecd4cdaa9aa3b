/** What a TLS client says before the handshake (RFC 8446 section 4.1.2). */
export type ClientHello = {
  /** The host that it calls (SNI, RFC 6066 section 3), in lower case, without a trailing dot. */
  readonly serverName: string | undefined
  /** The protocols that it offers in ALPN (RFC 7301); undefined without ALPN. */
  readonly protocols: readonly string[] | undefined
  /** Whether it has the extension of Encrypted Client Hello, so that another name may be encrypted in it. */
  readonly hasEncryptedHello: boolean
}

export type ClientHelloReading =
  | { readonly state: 'incomplete' }
  | { readonly state: 'complete'; readonly hello: ClientHello }
  | { readonly state: 'invalid'; readonly reason: 'not_tls' | 'malformed' | 'too_large' }

/** Larger ones do not occur: with post-quantum key shares a ClientHello has less than 2 KiB. */
export const MAX_HELLO_BYTES = 16 * 1024

const HANDSHAKE_RECORD = 22
const TLS_MAJOR_VERSION = 3
const CLIENT_HELLO = 1
const RECORD_HEADER_BYTES = 5
const MESSAGE_HEADER_BYTES = 4

/**
 * Reads the ClientHello from the first bytes of a connection, which may contain further ones. It may be fragmented
 * into several records (RFC 8446 section 5.1). Only lengths and the extensions above are evaluated: the TLS server
 * that continues the handshake verifies the rest.
 */
export function readClientHello(received: Buffer): ClientHelloReading {
  if (!startsHandshakeRecord(received)) return invalid('not_tls')
  const fragments: Buffer[] = []
  let isValid = true
  for (let at = 0; at < received.length;) {
    const header = received.subarray(at, at + RECORD_HEADER_BYTES)
    isValid = startsHandshakeRecord(header)
    if (!isValid || header.length < RECORD_HEADER_BYTES) break
    const length = header.readUInt16BE(3)
    isValid = length > 0 && length <= MAX_RECORD_BYTES
    if (!isValid) break
    const start = at + RECORD_HEADER_BYTES
    at = start + length
    fragments.push(received.subarray(start, at))
  }
  const reading = readMessage(Buffer.concat(fragments))
  if (reading.state !== 'incomplete') return reading
  if (!isValid) return invalid('malformed')
  return received.length < MAX_HELLO_BYTES ? reading : invalid('too_large')
}

/** By the type and the major version of the record, unless they have not arrived. */
function startsHandshakeRecord([type = HANDSHAKE_RECORD, major = TLS_MAJOR_VERSION]: Buffer) {
  return type === HANDSHAKE_RECORD && major === TLS_MAJOR_VERSION
}

/** RFC 8446 section 5.1. */
const MAX_RECORD_BYTES = 2 ** 14

/** Reads the handshake message, of which the end may not have arrived. */
function readMessage(bytes: Buffer): ClientHelloReading {
  if (bytes.length > 0 && bytes[0] !== CLIENT_HELLO) return invalid('malformed')
  if (bytes.length < MESSAGE_HEADER_BYTES) return { state: 'incomplete' }
  const end = MESSAGE_HEADER_BYTES + bytes.readUIntBE(1, 3)
  if (end > MAX_HELLO_BYTES) return invalid('too_large')
  if (bytes.length < end) return { state: 'incomplete' }
  const hello = parseHello(bytes.subarray(MESSAGE_HEADER_BYTES, end))
  return hello === undefined ? invalid('malformed') : { state: 'complete', hello }
}

/** RFC 8446 section 4.2. */
const SERVER_NAME = 0
const ALPN = 16
/** RFC 9849 section 5. */
const ENCRYPTED_CLIENT_HELLO = 0xfe0d

function parseHello(body: Buffer): ClientHello | undefined {
  const reader = createReader(body)
  reader.skip(LEGACY_VERSION_BYTES + RANDOM_BYTES)
  reader.vector(1) // legacy_session_id
  reader.vector(2) // cipher_suites
  reader.vector(1) // legacy_compression_methods
  // TLS 1.2 permits a ClientHello without extensions.
  const extensions = reader.isAtEnd() ? new Map<number, Buffer>() : readExtensions(reader.vector(2))
  if (!reader.isAtEnd() || extensions === undefined) return undefined

  const name = extensions.get(SERVER_NAME)
  const serverName = name && readServerName(name)
  const alpn = extensions.get(ALPN)
  const protocols = alpn && readProtocols(alpn)
  if ((name && !serverName) || (alpn && !protocols)) return undefined
  return { serverName, protocols, hasEncryptedHello: extensions.has(ENCRYPTED_CLIENT_HELLO) }
}

const LEGACY_VERSION_BYTES = 2
const RANDOM_BYTES = 32

/** By type, which may occur only once. */
function readExtensions(bytes: Buffer): Map<number, Buffer> | undefined {
  const reader = createReader(bytes)
  const extensions = new Map<number, Buffer>()
  while (!reader.isAtEnd()) {
    const type = reader.number(2)
    const data = reader.vector(2)
    if (reader.hasFailed() || extensions.has(type)) return undefined
    extensions.set(type, data)
  }
  return extensions
}

/** RFC 6066 section 3: a list that contains one name of the type host_name. */
function readServerName(bytes: Buffer): string | undefined {
  const reader = createReader(bytes)
  const list = createReader(reader.vector(2))
  const type = list.number(1)
  const name = list.vector(2).toString('latin1')
  const isValid = reader.isAtEnd() && list.isAtEnd() && type === 0 && /^[\w\-.]{1,255}$/.test(name)
  return isValid ? name.toLowerCase().replace(/\.$/, '') : undefined
}

/** RFC 7301 section 3.1. */
function readProtocols(bytes: Buffer): string[] | undefined {
  const reader = createReader(bytes)
  const list = createReader(reader.vector(2))
  const protocols: string[] = []
  while (!list.isAtEnd()) {
    protocols.push(list.vector(1).toString('latin1'))
    if (list.hasFailed()) return undefined
  }
  return reader.isAtEnd() && protocols.length > 0 ? protocols : undefined
}

/** Reads numbers and vectors with a length prefix. Beyond the end it returns nothing, and `hasFailed`. */
function createReader(bytes: Buffer) {
  let at = 0
  let isComplete = true
  const take = (length: number): Buffer => {
    isComplete &&= at + length <= bytes.length
    if (!isComplete) return EMPTY
    at += length
    return bytes.subarray(at - length, at)
  }
  const number = (length: number): number => {
    const octets = take(length)
    return octets.length === 0 ? 0 : octets.readUIntBE(0, length)
  }
  return {
    skip: take,
    number,
    vector: (lengthBytes: number): Buffer => take(number(lengthBytes)),
    isAtEnd: () => isComplete && at === bytes.length,
    hasFailed: () => !isComplete,
  }
}

const EMPTY = Buffer.alloc(0)

function invalid(
  reason: Extract<ClientHelloReading, { state: 'invalid' }>['reason'],
): ClientHelloReading {
  return { state: 'invalid', reason }
}
