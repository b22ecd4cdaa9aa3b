/** An uncompressed gRPC message: flag, length, content (grpc/grpc, doc/PROTOCOL-HTTP2.md). */
export function grpcMessage(content: Buffer): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(content.length, 1)
  return Buffer.concat([prefix, content])
}
