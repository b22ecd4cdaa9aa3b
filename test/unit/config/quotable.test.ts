import { expect, test } from 'vitest'
import { isQuotableVariable, isQuotable } from '../../../src/config/quotable.ts'

test.for([
  'https://login.example.com/token',
  'login.example.com',
  '127.0.0.1:8080',
  '/orders',
  '16kb',
  '5 minutes',
  'soon',
  'DELETE',
  'openid',
  'orders.read',
  '${CORP_URL}',
  '${CORP_URL:-https://login.example.com}',
])('the value %j is quotable', (text) => {
  expect(isQuotable(text)).toBe(true)
})

test.for([
  'swordfish',
  'Swordfish',
  'SWORDFISH',
  'openSesame',
  'correct-horse-battery-staple',
  'correct_horse_battery_staple',
  'correct horse battery staple',
  'hunter2',
  'winter-2026',
  'GOCSPX-3aQn8sPmVt',
  'kTzwQpLmNbVcXsRd',
  '6f1c9a52e4d7b803',
  '${swordfish}',
  '${CORP_URL:-swordfish}',
])('the value %j is not quotable, because it may be a secret', (text) => {
  expect(isQuotable(text)).toBe(false)
})

test.for(['HOME', 'CORP_CLIENT_SECRET', 'http_proxy', 'no_proxy', '_CORP', 'Corp_Url', 'V2_URL'])(
  '%s is quotable as the name of a variable',
  (name) => {
    expect(isQuotableVariable(name)).toBe(true)
  },
)

test.for(['swordfish', 'Swordfish', 'openSesame', 'hunter2canary', 'HUNTER2', 'a'.repeat(61)])(
  '%s is not quotable as the name of a variable, because it may be a secret',
  (name) => {
    expect(isQuotableVariable(name)).toBe(false)
  },
)
