import type { Duplex } from 'node:stream'

/**
 * Calls `onFirst` with the first octets that a client sends, which remain to be read; with an empty buffer if it
 * sends none before it closes the connection. Returns a function that stops waiting for them.
 */
export function peek(client: Duplex, onFirst: (octets: Buffer) => void): () => void {
  const stop = (): void => {
    client.off('readable', onReadable)
    client.off('end', onEnd)
    client.off('close', onEnd)
  }
  const onReadable = (): void => {
    const octets: unknown = client.read()
    if (!(octets instanceof Buffer)) return
    stop()
    client.unshift(octets)
    onFirst(octets)
  }
  const onEnd = (): void => {
    stop()
    onFirst(Buffer.alloc(0))
  }
  client.on('readable', onReadable)
  client.once('end', onEnd)
  client.once('close', onEnd)
  return stop
}
