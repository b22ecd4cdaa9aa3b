import { expect, test } from 'vitest'
import { guardResult } from '../../../bench/measure/guard-result.ts'
import type { Round } from '../../../bench/measure/result.ts'

function rounds(...cpuEach: readonly number[]): Round[] {
  return cpuEach.map((each) => ({
    requests: 1000,
    seconds: 1,
    bodyBytes: 0,
    cpuMicros: each * 1000,
    p50Ms: 1,
    p99Ms: 1,
  }))
}

test('the result of the guard contains both figures, the ratio and the bound', () => {
  expect(guardResult(rounds(300, 310, 320), rounds(100, 100, 100), 2.5)).toEqual({
    isWithin: false,
    text: 'A small GET costs token-sidecar 310 µs of CPU and the bare dispatch loop 100 µs: 3.10 times as much, above the bound of 2.5',
  })
})

test('the guard passes in spite of one slow round', () => {
  expect(guardResult(rounds(900, 150, 150), rounds(100, 100, 100), 2.5).isWithin).toBe(true)
})

test('the guard compares contenders per round, so a slow machine does not matter', () => {
  expect(guardResult(rounds(150, 1500, 300), rounds(100, 1000, 200), 2.5).isWithin).toBe(true)
})

test('the guard fails without any round', () => {
  expect(guardResult([], [], 2.5).isWithin).toBe(false)
})
