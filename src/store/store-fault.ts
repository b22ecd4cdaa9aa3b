import { networkFault } from '../lib/network-fault.ts'

/** Why the store cannot be used. */
export type StoreFault = {
  /** The phrase for the log; it contains no text of the server. */
  readonly reason: string
  /** Whether the server has replied, so that other commands may still work. */
  readonly isReply: boolean
}

/** The first word of an error reply tells what kind it is. */
const REPLIES: Readonly<Record<string, string>> = {
  WRONGPASS: 'it rejects the user name or the password',
  NOAUTH: 'it requires a password',
  NOPERM: 'its access rules deny a command: SET, GET, PTTL, DEL, EVAL and PING are needed',
  OOM: 'its memory is full ("maxmemory")',
  READONLY: 'it is read-only, as a replica is',
  LOADING: 'it is loading its data',
  MASTERDOWN: 'it is a replica that has lost its primary',
  MISCONF: 'it refuses writes because it cannot save its data ("stop-writes-on-bgsave-error")',
  CLUSTERDOWN: 'the cluster is down: slots without a server, or no quorum',
  MOVED: 'it is part of a cluster; set "mode: cluster"',
  BUSY: 'it is busy with a script',
  NOREPLICAS: 'it has too few replicas to accept a write',
  UNKILLABLE: 'it is busy with a script',
  TRYAGAIN: 'the cluster is moving slots',
}

export class StoreTimeout extends Error {
  override readonly name = 'StoreTimeout'
}

/** Whether the server refuses to read an entry because it is a list, a hash or the like. */
export function isWrongType(cause: unknown): boolean {
  return cause instanceof Error && cause.message.startsWith('WRONGTYPE ')
}

export function storeFault(cause: unknown): StoreFault {
  if (cause instanceof StoreTimeout) {
    return { reason: 'no reply within the time limit', isReply: false }
  }
  const message = cause instanceof Error ? cause.message : ''
  const [, word = ''] = /^([A-Z]+)\b/.exec(message) ?? []
  const reply = REPLIES[word]
  if (reply !== undefined) return { reason: reply, isReply: true }
  if (message.startsWith('ERR AUTH ')) {
    return { reason: 'it has no password, but one is configured', isReply: true }
  }
  if (word === 'ERR') {
    return { reason: 'it does not support a command that is needed', isReply: true }
  }
  const fault = networkFault(cause)
  return { reason: fault?.reason ?? 'the connection was lost', isReply: false }
}
