/** What a ClientHello built here contains; by default, a host name in SNI. */
export type HelloParts = {
  readonly serverName?: string | undefined
  readonly protocols?: readonly string[]
  /** Further extensions: their types and contents. */
  readonly extensions?: readonly (readonly [type: number, data: Buffer])[]
}

/** A ClientHello as one handshake message (RFC 8446 section 4.1.2), with GREASE as browsers send it (RFC 8701). */
export function helloMessage({ serverName, protocols, extensions = [] }: HelloParts): Buffer {
  const all: (readonly [number, Buffer])[] = [[0x1a1a, Buffer.alloc(0)]]
  if (serverName !== undefined) all.push([0, serverNameList(serverName)])
  if (protocols !== undefined) {
    all.push([16, vector(2, Buffer.concat(protocols.map((name) => vector(1, Buffer.from(name)))))])
  }
  all.push(...extensions, [0xfafa, Buffer.from([0])])
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 8)),
    vector(2, Buffer.from([0x5a, 0x5a, 0x13, 0x01])),
    vector(1, Buffer.from([0])),
    vector(2, Buffer.concat(all.map(([type, data]) => extension(type, data)))),
  ])
  return Buffer.concat([Buffer.from([1]), vector(3, body)])
}

export function serverNameList(name: string): Buffer {
  return vector(2, Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name, 'latin1'))]))
}

/** Splits a handshake message into records with at most this many bytes of it. */
export function handshakeRecords(message: Buffer, recordBytes = 2 ** 14): Buffer {
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += recordBytes) {
    const fragment = message.subarray(at, at + recordBytes)
    records.push(Buffer.from([22, 3, 1]), vector(2, fragment))
  }
  return Buffer.concat(records)
}

function extension(type: number, data: Buffer): Buffer {
  const header = Buffer.alloc(2)
  header.writeUInt16BE(type)
  return Buffer.concat([header, vector(2, data)])
}

/** Bytes after their number. */
function vector(lengthBytes: number, data: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes)
  length.writeUIntBE(data.length, 0, lengthBytes)
  return Buffer.concat([length, data])
}
