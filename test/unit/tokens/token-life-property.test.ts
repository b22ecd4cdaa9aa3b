import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type FailureCode, SidecarError } from '../../../src/errors.ts'
import { createLog } from '../../../src/observe/logger.ts'
import { createTokenRequestMetrics } from '../../../src/observe/token-request-metrics.ts'
import { type AccessToken, type Moment, now } from '../../../src/tokens/access-token.ts'
import { createCachedTokenSource } from '../../../src/tokens/cached-token-source.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { issued } from '../../helpers/issued-token.ts'

const { logger } = createLog({ level: 'error', format: 'json', destination: 2 })
const never = new AbortController().signal

const LIFETIMES = [1_000, 5_000, 30_000, 300_000, 3_600_000, 2 ** 32] as const
const FAILURES = ['token_unavailable', 'token_rejected', 'token_invalid'] as const

/** Events of the clocks, the authorization server and the application. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ do: 'ask' } as const) },
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
      lifetimeMs: fc.constantFrom(...LIFETIMES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('fail' as const), code: fc.constantFrom(...FAILURES) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'revoke' } as const) },
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
      do: fc.constant('set' as const),
      ms: fc.integer({ min: -4_000_000, max: 4_000_000 }),
    }),
  },
)
const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })

/** A source, a scripted authorization server, and checks of the invariants. */
function simulation(randoms: Iterator<number>) {
  const clock = createFakeClock()
  const ends = new Map<string, Moment>()
  let open: (PromiseWithResolvers<AccessToken> & { at: Moment }) | undefined
  let running = 0
  const violations: string[] = []
  let called = 0
  let settled = 0
  /** The earliest time for the next token request, by the outcome of the last one. */
  let notBeforeMs = -Infinity

  const source = createCachedTokenSource(
    async () => {
      running += 1
      if (running > 1) violations.push('two token requests at once')
      if (clock.monotonicMs() < notBeforeMs) violations.push('a token request too early')
      open = { ...Promise.withResolvers<AccessToken>(), at: now(clock) }
      try {
        return await open.promise
      } finally {
        running -= 1
      }
    },
    {
      refresh: { leewayMs: 60_000, jitterMs: 10_000 },
      clock,
      random: () => randoms.next().value ?? 0,
      log: logger,
      metrics: createTokenRequestMetrics(),
      readFingerprint: async () => await Promise.resolve('the same'),
    },
  )
  const checkUsable = (token: AccessToken): void => {
    const end = ends.get(token.value.reveal())
    const hasExpired =
      end === undefined || clock.monotonicMs() >= end.monotonicMs || clock.wallMs() >= end.wallMs
    if (hasExpired) violations.push('an expired token')
  }
  const follow = (result: Promise<AccessToken>): void => {
    called += 1
    void result
      .then(checkUsable, (error: unknown) => {
        if (!(error instanceof SidecarError)) violations.push('an error other than SidecarError')
      })
      .finally(() => {
        settled += 1
      })
  }

  return {
    clock,
    source,
    ask() {
      const token = source.current()
      if (token === undefined) follow(source.get(never))
      else checkUsable(token)
    },
    revoke() {
      const token = source.current()
      // A rejected token may be replaced at any time.
      notBeforeMs = -Infinity
      const replacement = token && source.replace(token, never)
      if (replacement !== undefined) follow(replacement)
    },
    /** After a change of one clock, a token may have expired early. */
    disturb: () => {
      notBeforeMs = -Infinity
    },
    issue(lifetimeMs: number) {
      if (open === undefined) return
      const { at, resolve } = open
      open = undefined
      const name = `token-${ends.size}`
      ends.set(name, { monotonicMs: at.monotonicMs + lifetimeMs, wallMs: at.wallMs + lifetimeMs })
      const isOldAlready =
        clock.monotonicMs() >= at.monotonicMs + lifetimeMs * 0.4 ||
        clock.wallMs() >= at.wallMs + lifetimeMs * 0.4
      notBeforeMs = isOldAlready ? -Infinity : at.monotonicMs + lifetimeMs * 0.39
      resolve(issued(name, at, lifetimeMs))
    },
    fail(code: FailureCode) {
      if (open === undefined) return
      notBeforeMs = code === 'token_rejected' ? clock.monotonicMs() + 59_999 : -Infinity
      open.reject(new SidecarError(code, 'Cannot'))
      open = undefined
    },
    violations,
    isRequesting: () => open !== undefined,
    unsettled: () => called - settled,
  }
}

test('for any sequence of events, no expired token is returned, token requests are not concurrent or early, and every caller gets a result', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 80 }),
      fc.infiniteStream(random),
      async (steps, randoms) => {
        const world = simulation(randoms)
        for (const action of steps) {
          switch (action.do) {
            case 'ask': {
              world.ask()
              break
            }
            case 'pass': {
              await world.clock.advance(action.ms)
              break
            }
            case 'issue': {
              world.issue(action.lifetimeMs)
              break
            }
            case 'fail': {
              world.fail(action.code)
              break
            }
            case 'revoke': {
              world.revoke()
              break
            }
            case 'sleep': {
              world.disturb()
              world.clock.suspend(action.ms)
              break
            }
            case 'set': {
              world.disturb()
              world.clock.stepWall(action.ms)
              break
            }
          }
          await world.clock.advance(0)
        }

        // Once the server works again, a caller gets a token within the longest back-off.
        world.ask()
        await world.clock.advance(0)
        for (let waitedMs = 0; waitedMs <= 61_000; waitedMs += 1_000) {
          if (world.isRequesting()) world.issue(2 ** 40)
          else if (world.source.current() !== undefined) break
          await world.clock.advance(1_000)
        }
        expect(world.source.current()).toBeDefined()
        expect(world.unsettled()).toBe(0)
        expect(world.violations).toEqual([])
        world.source.close()
      },
    ),
    { numRuns: 3_000 },
  )
})
