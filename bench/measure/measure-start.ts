import { startTokenSidecar } from '../contenders/token-sidecar.ts'
import type { StartFigures } from '../report/figures.ts'
import type { Stage } from '../stage/stage.ts'
import { settingOf } from './setting-of.ts'
import { SMALL_GET } from './workload.ts'

export type MeasureStartOptions = {
  readonly stage: Stage
  readonly starts: number
  readonly onStep: (what: string) => void
}

/** Measures the time from process start to the first 200 of /readyz, repeatedly. */
export async function measureStart({
  stage,
  starts,
  onStep,
}: MeasureStartOptions): Promise<StartFigures> {
  const readyMs: number[] = []
  // The first start is not counted, because the file cache and the authorization server are cold.
  for (let index = 0; index <= starts; index += 1) {
    onStep(`start ${index} of ${starts}`)
    const setting = await settingOf(stage, SMALL_GET)
    const startedAtMs = performance.now()
    const running = await startTokenSidecar(setting)
    if (index > 0) readyMs.push(performance.now() - startedAtMs)
    await running.stop()
  }
  return { readyMs }
}
