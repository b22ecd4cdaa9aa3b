import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { busyMetrics } from '../helpers/busy-metrics.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'

const [promtool] = findPrograms('promtool')

test.skipIf(promtool === undefined && MAY_SKIP)(
  'promtool accepts the metrics (skipped if there is no promtool)',
  async () => {
    const { status, stdout, stderr } = spawnSync(promtool ?? 'promtool', ['check', 'metrics'], {
      input: busyMetrics().expose(),
      encoding: 'utf8',
    })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
  },
)
