import { setTimeout as sleep } from 'node:timers/promises'

/** Looks again until `isSo` holds; the test's own time limit ends a wait in vain. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(10)
}
