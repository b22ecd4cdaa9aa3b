import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from './clock.ts'

/** Editors and volume mounts change a file in several steps. */
const SETTLE_MS = 100
/** For changes without notification, as on network file systems. */
const POLL_MS = 30_000

/**
 * Calls `check` when a file may have changed, and every 30 s. The directory is watched, because a watch on
 * a file follows the inode that a rename replaces, and a ConfigMap changes by a symbolic link beside the
 * file. Returns a function that stops it.
 */
export function watchFile(path: string, clock: Clock, check: () => void): () => void {
  let watcher = watchDirectory()
  let cancelSettle: (() => void) | undefined
  let cancelPoll = clock.schedule(POLL_MS, poll)

  function watchDirectory(): FSWatcher | undefined {
    try {
      const found = watch(dirname(path), { persistent: false }, () => {
        cancelSettle?.()
        cancelSettle = clock.schedule(SETTLE_MS, check)
      })
      found.on('error', () => {
        found.close()
        watcher = undefined
      })
      return found
    } catch {
      // The limit of watches is reached, or the directory is missing; polling still works.
      return undefined
    }
  }

  function poll(): void {
    watcher ??= watchDirectory()
    cancelPoll = clock.schedule(POLL_MS, poll)
    check()
  }

  return () => {
    watcher?.close()
    cancelSettle?.()
    cancelPoll()
  }
}
