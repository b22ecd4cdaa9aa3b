import { readdirSync, readFileSync } from 'node:fs'
import { setPriority } from 'node:os'

const THREADS = '/proc/self/task'
/** How Node names the threads in which V8 compiles and collects garbage. */
const V8_WORKER = 'node-V8Worker'
/** Where both want the same processor, a worker gets a tenth of what the other gets (sched(7)). */
const NICENESS = 10

/**
 * V8 compiles, and marks what is alive, in threads of its own. Where there is one processor for all of
 * them, they took turns of some milliseconds with the thread that serves requests, which was seen in the
 * slowest in a hundred (docs/performance.md). On Linux a thread has a niceness of its own, and that of
 * those is raised here; it is no matter of life where that is not possible.
 */
export function serveRequestsFirst(): void {
  if (process.platform !== 'linux') return
  try {
    for (const thread of readdirSync(THREADS)) {
      const name = readFileSync(`${THREADS}/${thread}/comm`, 'utf8').trim()
      if (name === V8_WORKER) setPriority(Number(thread), NICENESS)
    }
  } catch {
    // No /proc, or a sandbox that forbids it: it runs as it would have run without.
  }
}
