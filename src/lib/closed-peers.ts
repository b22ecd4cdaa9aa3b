import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { endianness } from 'node:os'

/**
 * Returns the TCP connections whose peer is on this machine and has closed its socket, and those that were
 * reset, which are no longer in the kernel's table of sockets. A FIN does not tell `shutdown(SHUT_WR)`
 * from `close()`, but the table does: a socket that no process has open has no inode. Closed peers
 * on other machines, and anything on systems without that table, are not reported.
 */
export async function closedPeers(sockets: readonly Socket[]): Promise<Socket[]> {
  const [ipv4, ipv6] = await Promise.all([readTable('tcp'), readTable('tcp6')])
  const closed = new Set([...closedSockets(ipv4), ...closedSockets(ipv6)])
  const all = new Set([...pairsOf(ipv4), ...pairsOf(ipv6)])
  if (all.size === 0) return []
  return sockets.filter(({ localAddress, localPort, remoteAddress, remotePort }) => {
    const local = addressOf(localAddress, localPort)
    const remote = addressOf(remoteAddress, remotePort)
    return (
      local !== undefined &&
      remote !== undefined &&
      // The remote address here is the local address of the peer.
      (closed.has(`${remote} ${local}`) ||
        closed.has(`${mapped(remote)} ${mapped(local)}`) ||
        !(all.has(`${local} ${remote}`) || all.has(`${mapped(local)} ${mapped(remote)}`)))
    )
  })
}

async function readTable(name: 'tcp' | 'tcp6'): Promise<string> {
  return await readFile(`/proc/net/${name}`, 'latin1').catch(() => '')
}

/** The states of `include/net/tcp_states.h` in which the owner has ended its side: FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSING. */
const ENDED_STATES: ReadonlySet<string> = new Set(['04', '05', '06', '0B'])

/** Local and remote address, in the notation of the table, of sockets that no process has open. */
export function* closedSockets(table: string): Generator<string> {
  for (const line of table.split('\n')) {
    const [, local, remote, state = '', , , , , , inode] = line.trim().split(/\s+/)
    if (inode === '0' && ENDED_STATES.has(state)) yield `${local} ${remote}`
  }
}

/** Local and remote address of each connection. */
function* pairsOf(table: string): Generator<string> {
  for (const line of table.split('\n').slice(1)) {
    const [, local, remote] = line.trim().split(/\s+/)
    if (local !== undefined && remote !== undefined) yield `${local} ${remote}`
  }
}

/** `7F000001` for an IPv4 address or one mapped to IPv6, 32 digits for IPv6; then the port. */
function addressOf(address = '', port = 0): string | undefined {
  const ipv4 = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address)
  const bytes = ipv4 === null ? ipv6Bytes(address) : Buffer.from(ipv4.slice(1).map(Number))
  if (bytes === undefined) return undefined
  // The table prints the 32-bit words of an address in the byte order of the machine.
  if (endianness() === 'LE') bytes.swap32()
  return `${bytes.toString('hex')}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
}

/** The notation for an IPv6 socket that is connected to an IPv4 address. */
function mapped(address: string): string {
  const prefix = endianness() === 'LE' ? '0000000000000000FFFF0000' : '00000000000000000000FFFF'
  return address.length === '7F000001:1F90'.length ? prefix + address : address
}

function ipv6Bytes(address: string): Buffer<ArrayBuffer> | undefined {
  const [host = ''] = address.split('%')
  const halves = host.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const [head = [], tail = []] = halves
  const missing = 8 - head.length - tail.length
  if (halves.length > 2 || missing < 0) return undefined
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail]
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex')
}
