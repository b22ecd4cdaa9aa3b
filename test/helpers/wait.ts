import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until the condition holds; the time limit of the test is the timeout. */
export async function until(isMet: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isMet())) await sleep(10)
}
