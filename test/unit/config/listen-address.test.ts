import { expect, test } from 'vitest'
import { parseListenAddress } from '../../../src/config/listen-address.ts'

test.for([
  ['127.0.0.1:8080', { kind: 'tcp', host: '127.0.0.1', port: 8080 }],
  ['0.0.0.0:9090', { kind: 'tcp', host: '0.0.0.0', port: 9090 }],
  ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
  ['[::1]:8080', { kind: 'tcp', host: '::1', port: 8080 }],
  ['[::ffff:127.0.0.1]:65535', { kind: 'tcp', host: '::ffff:127.0.0.1', port: 65_535 }],
  ['unix:/run/app.sock', { kind: 'unix', path: '/run/app.sock', mode: 0o660 }],
  ['unix:app.sock', { kind: 'unix', path: 'app.sock', mode: 0o660 }],
  ['unix:/run/a b:8080', { kind: 'unix', path: '/run/a b:8080', mode: 0o660 }],
] as const)('%s is a valid listen address', ([text, address]) => {
  expect(parseListenAddress(text)).toEqual(address)
})

test.for([
  '',
  'localhost',
  '127.0.0.1',
  ':8080',
  '8080',
  'localhost:',
  'localhost:http',
  'localhost:65536',
  'localhost:808080',
  'localhost:-1',
  'localhost:80.5',
  '::1:8080',
  '[::1]',
  '[]:8080',
  '[localhost]:8080',
  'http://localhost:8080',
  'localhost:8080/',
  'local host:8080',
  'localhost:8080\n',
  'unix:',
])('%j is an invalid listen address', (text) => {
  expect(parseListenAddress(text)).toBeUndefined()
})
