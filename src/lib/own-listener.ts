import type { Socket } from 'node:net'
import { isLoopbackHost } from './loopback.ts'

/** The ports on which this process listens. */
export type OwnPorts = ReadonlySet<number>

/**
 * Whether a connection that this process has opened leads back to one of its listeners. The addresses are
 * compared after connecting, because a name may resolve to any address.
 */
export function isToOwnListener(socket: Socket, ports: OwnPorts): boolean {
  const { remoteAddress, remotePort, localAddress } = socket
  return (
    remoteAddress !== undefined &&
    remotePort !== undefined &&
    ports.has(remotePort) &&
    (remoteAddress === localAddress || isLoopbackHost(remoteAddress))
  )
}
