import { expect, onTestFinished, test } from 'vitest'
import { inspect } from 'node:util'
import { createSecret } from '../../../src/lib/secret.ts'
import { watchEgressProxy } from '../../../src/outbound/egress-proxy.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { until } from '../../helpers/wait.ts'

/** A proxy with files that the test changes; `reads` counts how often they were read. */
async function watch(url: string, files: { password: string | Error; ca: string }) {
  const clock = createFakeClock()
  let reads = 0
  const proxy = await watchEgressProxy(
    {
      url,
      readTls: async () => await Promise.resolve({ ca: files.ca }),
      credentials: {
        readUsername: async () => await Promise.resolve(createSecret('app')),
        async readPassword() {
          reads += 1
          if (files.password instanceof Error) throw files.password
          return await Promise.resolve(createSecret(files.password))
        },
      },
    },
    clock,
  )
  onTestFinished(proxy.close)
  const password = (): string =>
    Buffer.from(proxy.authorization()?.reveal().replace('Basic ', '') ?? '', 'base64').toString()
  return { proxy, clock, password, reads: () => reads }
}

test('changed files of a proxy are used after ten seconds, without an error in between', async () => {
  const files: { password: string | Error; ca: string } = { password: 'one', ca: 'a' }
  const { proxy, clock, password } = await watch('https://proxy:3128', files)
  expect([password(), proxy.tls()]).toEqual(['app:one', { ca: 'a' }])
  const first = proxy.tls()
  await clock.advance(10_000)
  // The same object, so that TLS sessions are resumed.
  expect(proxy.tls()).toBe(first)
  files.password = new Error('no such file')
  await clock.advance(10_000)
  expect(password()).toBe('app:one')
  files.password = 'two'
  files.ca = 'b'
  await clock.advance(10_000)
  expect([password(), proxy.tls()]).toEqual(['app:two', { ca: 'b' }])
})

test('the files of a proxy are read again at once when it rejects the password, once for many rejections', async () => {
  const files = { password: 'one', ca: 'a' }
  const { proxy, password, reads } = await watch('http://proxy:3128', files)
  files.password = 'two'
  for (let i = 0; i < 100; i += 1) proxy.onRejected()
  await until(() => password() === 'app:two')
  expect(reads()).toBe(2)
})

test('the files of a closed proxy are not read', async () => {
  const { proxy, clock, reads } = await watch('http://proxy:3128', { password: 'one', ca: 'a' })
  proxy.close()
  await clock.advance(60_000)
  expect(reads()).toBe(1)
})

test('a user name with a colon, as a file may have it, is refused', async () => {
  const options = {
    url: 'http://proxy',
    readTls: async () => await Promise.resolve({}),
    credentials: {
      readUsername: async () => await Promise.resolve(createSecret('a:b')),
      readPassword: async () => await Promise.resolve(createSecret('p')),
    },
  }
  await expect(watchEgressProxy(options, createFakeClock())).rejects.toThrow('contains a colon')
})

test.for([
  ['http://proxy.example.com', 'proxy.example.com:80', 'proxy.example.com', 80, undefined],
  ['https://proxy.example.com', 'proxy.example.com:443', 'proxy.example.com', 443, { ca: 'a' }],
  ['http://[::1]:3128', '[::1]:3128', '::1', 3128, undefined],
] as const)('the proxy %s is named %s', async ([url, name, hostname, port, tls]) => {
  const { proxy } = await watch(url, { password: 'one', ca: 'a' })
  expect(proxy).toMatchObject({ name, hostname, port })
  expect(proxy.tls()).toEqual(tls)
})

test('inspecting a proxy or converting it to JSON does not show its password', async () => {
  const { proxy } = await watch('http://proxy', { password: 'canary', ca: 'a' })
  const shown =
    inspect([proxy, proxy.authorization()]) + JSON.stringify([proxy, proxy.authorization()])
  expect(shown).not.toContain('canary')
  expect(shown).not.toContain(Buffer.from('app:canary').toString('base64'))
})
