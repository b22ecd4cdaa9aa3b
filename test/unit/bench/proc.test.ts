import { expect, test } from 'vitest'
import { parseCpuList } from '../../../bench/system/cores.ts'
import { parseCpuTicks, parseResidentBytes } from '../../../bench/system/proc.ts'

const AFTER_NAME =
  'S 1 42 42 0 -1 4194560 2551 0 3 0 311 129 7 8 20 0 11 0 900 1100000000 20000 18446744073709551615'

test.for(['node', 'nginx: worker', 'a) S 1 2 (b', ')'])(
  'user and system time are parsed after the process name "%s"',
  (name) => {
    expect(parseCpuTicks(`42 (${name}) ${AFTER_NAME}`)).toBe(311 + 129)
  },
)

test('the CPU time of exited child processes is not counted', () => {
  expect(parseCpuTicks(`42 (node) ${AFTER_NAME}`)).not.toBe(311 + 129 + 7 + 8)
})

test('resident memory is converted to bytes', () => {
  const status = 'Name:\tnode\nVmPeak:\t  90000 kB\nVmHWM:\t   82000 kB\nVmRSS:\t   81234 kB\n'
  expect(parseResidentBytes(status)).toBe(81_234 * 1024)
})

test('the resident memory of a kernel thread is NaN', () => {
  expect(parseResidentBytes('Name:\tkthreadd\n')).toBeNaN()
})

test.for([
  { list: '0-3', expected: [0, 1, 2, 3] },
  { list: '1', expected: [1] },
  { list: '0,2-3,7\n', expected: [0, 2, 3, 7] },
  { list: '', expected: [] },
])('the CPU list "$list" is parsed as $expected', ({ list, expected }) => {
  expect(parseCpuList(list)).toEqual(expected)
})
