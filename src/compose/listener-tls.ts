import { X509Certificate } from 'node:crypto'
import type { ListenerConfig } from '../config/listen-schema.ts'
import type { ReadFile } from '../config/read-file.ts'
import type { ListenerTls } from '../inbound/listener.ts'
import type { Clock } from '../lib/clock.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import { repeat } from '../lib/repeat.ts'
import { belongTogether } from '../lib/tls-material.ts'

/** How often the files are read. */
const INTERVAL_MS = 10_000

/** Undefined for a listener without TLS. Fails when a file cannot be read, or the pair does not match. */
export async function readListenerTls(
  { name, tls: settings }: Pick<ListenerConfig, 'name' | 'tls'>,
  readFile: ReadFile,
): Promise<ListenerTls | undefined> {
  if (settings === undefined) return undefined
  const { cert, key, clientCa } = settings
  const tls = {
    cert: await readFile(cert.file),
    key: await readFile(key.file),
    ca: clientCa && (await readFile(clientCa.file)),
  }
  if (!belongTogether(tls.cert, tls.key)) {
    throw new Error(`the certificate of the listener "${name}" and its key do not belong together`)
  }
  // Node trusts the public authorities instead of an empty list.
  if (tls.ca !== undefined) void new X509Certificate(tls.ca)
  return tls
}

/** Calls `onChange` when the files have changed. Returns a function that stops it. */
export function watchListenerTls(
  first: ListenerTls,
  read: () => Promise<ListenerTls | undefined>,
  clock: Clock,
  onChange: (tls: ListenerTls) => void,
): () => void {
  let current = first
  let isStopped = false
  const update = async (): Promise<void> => {
    // Files that cannot be read, or do not match yet, are read again later.
    const found = (await read().catch(() => undefined)) ?? current
    if (isStopped || fingerprintOf(found) === fingerprintOf(current)) return
    try {
      onChange(found)
    } catch {
      // OpenSSL rejects the files, such as a certificate authority that is not in PEM form.
      return
    }
    current = found
  }
  const stop = repeat(INTERVAL_MS, update, clock)
  return () => {
    isStopped = true
    stop()
  }
}

function fingerprintOf({ cert, key, ca }: ListenerTls): string {
  return fingerprint(cert, key, ca)
}
