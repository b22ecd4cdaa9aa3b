import { expect, test } from 'vitest'
import { isLocalName, isLoopbackHost } from '../../../src/lib/loopback.ts'

test.for(['localhost', 'LOCALHOST', '127.0.0.1', '127.1.2.3', '127.255.255.254', '::1', '[::1]'])(
  '%s is a loopback host',
  (host) => {
    expect(isLoopbackHost(host)).toBe(true)
  },
)

test.for([
  '',
  'localhost.evil.com',
  'localhost.',
  'app.localhost',
  'a.b.LocalHost',
  '.localhost',
  'evil-localhost',
  'evillocalhost',
  'localhost:8080',
  '127.0.0.1.evil.com',
  '127.0.0.1:80',
  'evil.127.0.0.1',
  '127.0.0',
  '127.1',
  '127.0.0.1.1',
  '128.0.0.1',
  '227.0.0.1',
  '1127.0.0.1',
  '1271.0.1',
  '0.0.0.0',
  '10.0.0.1',
  '169.254.169.254',
  '::',
  '[::]',
  '::2',
  '::11',
  'fe80::1',
  '[::1]evil',
  '::1\n',
  '127.0.0.1\n',
  '127.0.0.x',
])('%j is not a loopback host', (host) => {
  expect(isLoopbackHost(host)).toBe(false)
})

test.for([
  ['http://127.1/', true],
  ['http://0x7f000001/', true],
  ['http://2130706433/', true],
  ['http://LocalHost:8080/', true],
  ['http://[0:0:0:0:0:0:0:1]/', true],
  ['http://127.0.0.1@evil.example/', false],
  ['http://localhost%2eevil.example/', false],
  ['http://localhost#@evil.example/', true],
  ['http://evil.example#localhost/', false],
  ['http://1２7.0.0.1/', true],
  ['http://ⓛocalhost.evil.example/', false],
] as const)('the host of %s is a loopback host: %s', ([url, expected]) => {
  expect(isLoopbackHost(new URL(url).hostname)).toBe(expected)
})

test.for(['localhost', 'app.localhost', 'a.b.LocalHost', '127.0.0.1', '[::1]'])(
  '%s is a local name',
  (name) => {
    expect(isLocalName(name)).toBe(true)
  },
)

test.for(['localhost.evil.com', 'evillocalhost', 'app.localhost.', '10.0.0.1'])(
  '%s is not a local name',
  (name) => {
    expect(isLocalName(name)).toBe(false)
  },
)
