import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from './clock.ts'

/** Editors and volume mounts change a file in several steps. */
const SETTLE_MS = 100
/** For changes that the system tells nothing of, as on network file systems. */
const POLL_MS = 30_000

/**
 * Calls `look` whenever a file may have changed, and every 30 s. It is the directory that is watched:
 * a watch on a file follows what was renamed away, and a ConfigMap changes by a symbolic link beside
 * the file. Returns a function that ends it.
 */
export function watchFile(path: string, clock: Clock, look: () => void): () => void {
  let watcher = watchDirectory()
  let cancelSettle: (() => void) | undefined
  let cancelPoll = clock.schedule(POLL_MS, poll)

  function watchDirectory(): FSWatcher | undefined {
    try {
      const found = watch(dirname(path), { persistent: false }, () => {
        cancelSettle?.()
        cancelSettle = clock.schedule(SETTLE_MS, look)
      })
      found.on('error', () => {
        found.close()
        watcher = undefined
      })
      return found
    } catch {
      // No watch is left on this system, or the directory is gone: the poll will do.
      return undefined
    }
  }

  function poll(): void {
    watcher ??= watchDirectory()
    cancelPoll = clock.schedule(POLL_MS, poll)
    look()
  }

  return () => {
    watcher?.close()
    cancelSettle?.()
    cancelPoll()
  }
}
