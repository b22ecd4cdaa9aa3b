/** Where a listener binds. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number }

/** Read and write for the owner and the group, because every process that can connect can use the tokens. */
export const DEFAULT_SOCKET_MODE = 0o660

const TCP = /^(?:\[(?<ipv6>[\da-fA-F:.]+)\]|(?<host>[\w.-]+)):(?<port>\d{1,5})$/

/** `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/token-sidecar.sock`; undefined if it is invalid. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length)
    return isSocketPath(path) ? { kind: 'unix', path, mode: DEFAULT_SOCKET_MODE } : undefined
  }
  const { ipv6, host = ipv6, port } = TCP.exec(text)?.groups ?? {}
  if (host === undefined || Number(port) > 65_535) return undefined
  return { kind: 'tcp', host, port: Number(port) }
}

/** The address as written in the file. */
export function formatListenAddress(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  const { host, port } = address
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** A socket address holds at most 107 bytes. */
export function isSocketPath(path: string): boolean {
  return path !== '' && Buffer.byteLength(path) <= 107
}

/** Whether a listener on this address accepts connections to every address of the machine. */
export function isWildcard(address: ListenAddress | undefined): boolean {
  return address?.kind === 'tcp' && (address.host === '0.0.0.0' || /^[0:]+$/.test(address.host))
}
