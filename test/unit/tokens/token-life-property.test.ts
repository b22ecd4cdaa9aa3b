import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import { createLog } from '../../../src/observe/logger.ts'
import { type AccessToken, type Moment, now } from '../../../src/tokens/access-token.ts'
import { createKeptToken } from '../../../src/tokens/kept-token.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { issued } from '../../helpers/issued-token.ts'

const { logger } = createLog({ level: 'error', format: 'json', destination: 2 })

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ask' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.integer({ min: 1, max: 400_000 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('issue' as const),
      lifetimeMs: fc.constantFrom(1_000, 5_000, 30_000, 300_000, 3_600_000, 2 ** 32),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      code: fc.constantFrom(
        'token_unavailable' as const,
        'token_rejected' as const,
        'token_invalid' as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('sleep' as const),
      ms: fc.integer({ min: 1, max: 4_000_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('step' as const),
      ms: fc.integer({ min: -4_000_000, max: 4_000_000 }),
    }),
  },
)

test('whatever happens, no expired token is given out, one request runs at a time, and all who wait are answered', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 80 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      async (steps, randoms) => {
        const clock = createFakeClock()
        let running = 0
        let mostRunning = 0
        let open:
          | { resolve: (token: AccessToken) => void; reject: (error: Error) => void; at: Moment }
          | undefined
        const source = createKeptToken(
          async () => {
            running += 1
            mostRunning = Math.max(mostRunning, running)
            const request = Promise.withResolvers<AccessToken>()
            open = { ...request, at: now(clock) }
            try {
              return await request.promise
            } finally {
              running -= 1
            }
          },
          {
            refresh: { leewayMs: 60_000, jitterMs: 10_000 },
            clock,
            random: () => randoms.next().value ?? 0,
            log: logger,
            readFingerprint: async () => await Promise.resolve('same'),
          },
        )
        const expiry = new Map<string, Moment>()
        const expectGood = (token: AccessToken): void => {
          const end = expiry.get(token.value.reveal())
          expect(clock.monotonicMs()).toBeLessThan(end?.monotonicMs ?? 0)
          expect(clock.wallMs()).toBeLessThan(end?.wallMs ?? 0)
        }
        let waiting = 0
        const settled: unknown[] = []
        for (const action of steps) {
          switch (action.do) {
            case 'ask': {
              const current = source.current()
              if (current !== undefined) expectGood(current)
              else {
                waiting += 1
                void source.get(new AbortController().signal).then(
                  (token) => {
                    expectGood(token)
                    settled.push(token)
                  },
                  (error: unknown) => settled.push(error),
                )
              }
              break
            }
            case 'pass': {
              await clock.advance(action.ms)
              break
            }
            case 'issue': {
              if (open === undefined) break
              const name = `token-${expiry.size}`
              expiry.set(name, {
                monotonicMs: open.at.monotonicMs + action.lifetimeMs,
                wallMs: open.at.wallMs + action.lifetimeMs,
              })
              open.resolve(issued(name, open.at, action.lifetimeMs))
              open = undefined
              break
            }
            case 'fail': {
              open?.reject(new SidecarError(action.code, 'Cannot'))
              open = undefined
              break
            }
            case 'sleep': {
              clock.suspend(action.ms)
              break
            }
            case 'step': {
              clock.stepWall(action.ms)
              break
            }
          }
          await clock.advance(0)
          expect(mostRunning).toBeLessThanOrEqual(1)
        }
        open?.reject(new SidecarError('token_unavailable', 'Cannot'))
        await clock.advance(0)
        expect(settled).toHaveLength(waiting)
        source.close()
      },
    ),
    { numRuns: 2_000 },
  )
})
