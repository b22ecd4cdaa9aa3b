/** A message of gRPC: not compressed, then its length (grpc/grpc, doc/PROTOCOL-HTTP2.md). */
export function grpcMessage(content: Buffer): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(content.length, 1)
  return Buffer.concat([prefix, content])
}
