import { expect, test } from 'vitest'
import { divideDescriptors, parseDescriptorLimit } from '../../../src/lib/descriptor-limit.ts'

test('the soft limit of open files is read from /proc/PID/limits', () => {
  const limits =
    'Limit                     Soft Limit           Hard Limit           Units\n' +
    'Max open files            1024                 4096                 files\n'
  expect(parseDescriptorLimit(limits)).toBe(1024)
  expect(parseDescriptorLimit(limits.replace('1024', 'unlimited'))).toBe(Infinity)
})

test.for([256, 1_024, 4_096, 65_536, 1_048_576])(
  'with %d descriptors, all connections together leave some for files, DNS and token requests',
  (limit) => {
    const { served, surplus, admin } = divideDescriptors(limit, 10_000)
    expect(2 * served + surplus + admin).toBeLessThanOrEqual(limit - 64)
    expect(Math.min(served, surplus, admin)).toBeGreaterThan(0)
  },
)

test('without a limit of open files, as many connections are served as configured', () => {
  expect(divideDescriptors(Infinity, 10_000)).toEqual({
    served: 10_000,
    surplus: 10_000,
    admin: 128,
  })
})
