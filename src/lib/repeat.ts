import type { Clock } from './clock.ts'

/** Runs `work` again and again, `intervalMs` after it has ended. Returns a function that stops it. */
export function repeat(intervalMs: number, work: () => Promise<void>, clock: Clock): () => void {
  let isStopped = false
  let cancel = schedule()
  return () => {
    isStopped = true
    cancel()
  }

  function schedule(): () => void {
    return clock.schedule(intervalMs, () => {
      void work().then(() => {
        if (!isStopped) cancel = schedule()
      })
    })
  }
}
