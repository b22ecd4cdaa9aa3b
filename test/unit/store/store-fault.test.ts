import { expect, test } from 'vitest'
import { isWrongType, storeFault, StoreTimeout } from '../../../src/store/store-fault.ts'

test.for([
  ['WRONGPASS invalid username-password pair', 'it rejects the user name or the password'],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'its memory is full ("maxmemory")'],
  ["READONLY You can't write against a read only replica.", 'it is read-only, as a replica is'],
  ['MOVED 3999 127.0.0.1:6381', 'it is part of a cluster; set "mode: cluster"'],
  [
    'ERR AUTH <password> called without any password configured for the default user.',
    'it has no password, but one is configured',
  ],
  ["ERR unknown command 'EVAL'", 'it does not support a command that is needed'],
])('the reply "%s" means: %s', ([message, reason]) => {
  expect(storeFault(new Error(message))).toEqual({ reason, isReply: true })
})

test.for([
  [new StoreTimeout(), 'no reply within the time limit'],
  [Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), 'connection refused'],
  [new Error('Socket closed unexpectedly'), 'the connection was lost'],
  ['not an error', 'the connection was lost'],
] as const)('a failure without a reply has a reason (%s)', ([cause, reason]) => {
  expect(storeFault(cause)).toEqual({ reason, isReply: false })
})

test('the reason contains no text of the server', () => {
  const { reason } = storeFault(new Error('ERR the password is hunter2'))
  expect(reason).not.toContain('hunter2')
})

test('only WRONGTYPE means that an entry has another type', () => {
  expect(isWrongType(new Error('WRONGTYPE Operation against a key'))).toBe(true)
  expect(isWrongType(new Error('ERR WRONGTYPE'))).toBe(false)
  expect(isWrongType('WRONGTYPE ')).toBe(false)
})
