import { expect, test } from 'vitest'
import { isOwnHost } from '../../../src/admin/own-host.ts'

const LOOPBACK = { kind: 'tcp', host: '127.0.0.1' } as const

test.for([
  { host: '127.0.0.1:9090', own: true },
  { host: 'localhost', own: true },
  { host: 'LOCALHOST.:9090', own: true },
  { host: '[::1]:9090', own: true },
  { host: 'Sidecar.internal:9090', own: true },
  { host: 'evil.example:9090', own: false },
  { host: 'localhost.evil.example', own: false },
  { host: '10.0.0.7:9090', own: false },
])('"$host" is a name of a listener on the loopback address: $own', ({ host, own }) => {
  expect(isOwnHost(host, LOOPBACK, ['sidecar.internal'])).toBe(own)
})

test('a listener for other machines, or on a Unix socket, has any name', () => {
  expect(isOwnHost('metrics.example', { kind: 'tcp', host: '0.0.0.0' }, [])).toBe(true)
  expect(isOwnHost('metrics.example', { kind: 'unix' }, [])).toBe(true)
})
