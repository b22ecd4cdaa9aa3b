import { expect, test } from 'vitest'
import { createFleet } from '../helpers/fleet.ts'
import { HAS_NO_REDIS, startRedis } from '../helpers/redis.ts'
import { startProgram } from '../helpers/sidecar.ts'

const PROCESSES = 50

test.skipIf(HAS_NO_REDIS)(
  'fifty processes that start simultaneously send one token request',
  { timeout: 180_000 },
  async () => {
    const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
    // The processes compete for the cores while they start.
    const config = fleet.config({ ...redis, store: 'timeout: 30s' })
    const programs = await Promise.all(
      Array.from({ length: PROCESSES }, async () => await startProgram(config)),
    )
    const bodies = await Promise.all(
      programs.map(async ({ proxyUrl }) => await (await fetch(proxyUrl)).text()),
    )
    expect(new Set(bodies)).toEqual(new Set(['Bearer issued-token-1']))
    expect(fleet.endpoint.requests).toHaveLength(1)
  },
)
