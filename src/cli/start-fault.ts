import { stackFrames } from '../lib/stack-frames.ts'

/** Why a listener cannot be opened. */
export function startFault(cause: unknown): string {
  if (!(cause instanceof Error) || !('code' in cause)) return stackFrames(cause)
  const host = textOf(cause, 'address') ?? textOf(cause, 'hostname') ?? ''
  const port = textOf(cause, 'port')
  const place = port === undefined || port === '-1' ? host : `${host}:${port}`
  switch (cause.code) {
    case 'EADDRINUSE': {
      return `address already in use: "${place}"; set "listen" or "admin" to another address`
    }
    case 'EACCES': {
      return `permission denied: "${place}"`
    }
    case 'EADDRNOTAVAIL': {
      return `"${place}" is not an address of this machine`
    }
    case 'ENOTFOUND':
    case 'EAI_AGAIN': {
      return `the host name "${place}" of "listen" or "admin" cannot be resolved`
    }
    case 'ENOENT': {
      return `the directory of "${place}" does not exist`
    }
    default: {
      return `${String(cause.code)} ${place}`
    }
  }
}

function textOf(error: object, key: string): string | undefined {
  const value: unknown = Object.entries(error).find(([name]) => name === key)?.[1]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}
