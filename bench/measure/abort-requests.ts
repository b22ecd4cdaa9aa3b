import { once } from 'node:events'
import { connect } from 'node:net'

export type AbortOptions = {
  readonly origin: string
  readonly path: string
  readonly requests: number
  readonly atOnce: number
}

/** Sends requests and disconnects as soon as each response begins. */
export async function abortRequests({
  origin,
  path,
  requests,
  atOnce,
}: AbortOptions): Promise<void> {
  const { hostname, port, host } = new URL(origin)
  const head = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  let left = requests
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left > 0) {
        left -= 1
        const socket = connect(Number(port), hostname)
        socket.write(head)
        await once(socket, 'data')
        socket.destroy()
        await once(socket, 'close')
      }
    }),
  )
}
