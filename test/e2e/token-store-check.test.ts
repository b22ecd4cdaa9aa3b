import { expect, test } from 'vitest'
import { runProgram, writeConfig } from '../helpers/cli.ts'
import { createFleet } from '../helpers/fleet.ts'
import { HAS_NO_REDIS, startRedis } from '../helpers/redis.ts'

test.skipIf(HAS_NO_REDIS)(
  'check --live writes, reads and deletes an entry of the token store',
  async () => {
    const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
    const file = await writeConfig(fleet.config(redis))
    const plain = await runProgram(['check', '--live', '-c', file])
    expect(plain).toMatchObject({ code: 0, err: '' })
    expect(plain.out).toContain('an entry was written, read and deleted')
    const { code, out } = await runProgram(['check', '--live', '--json', '-c', file])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      tokenStore: { urls: [redis.url], mode: 'standalone', error: null },
    })
    expect(await redis.command('DBSIZE')).toBe(0)
  },
)

test.skipIf(HAS_NO_REDIS).for([
  {
    fault: 'rejects the password',
    settings: ['--requirepass', 'secret'],
    reason: 'it rejects the user name or the password',
  },
  {
    fault: 'is full',
    settings: ['--requirepass', 'wrong', '--maxmemory', '1'],
    reason: 'its memory is full ("maxmemory")',
  },
])('check --live fails and says that the token store $fault', async ({ settings, reason }) => {
  const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
  await redis.start(...settings)
  const file = await writeConfig(fleet.config({ ...redis, store: 'password: { value: wrong }' }))
  const plain = await runProgram(['check', '--live', '-c', file])
  expect(plain.code).toBe(1)
  expect(plain.out).toContain(`token store unavailable: ${reason}`)
  const { code, out } = await runProgram(['check', '--live', '--json', '-c', file])
  expect(code).toBe(1)
  expect(JSON.parse(out)).toMatchObject({ tokenStore: { error: reason } })
})

test('check --live fails and says that the token store refuses connections', async () => {
  const fleet = await createFleet()
  const file = await writeConfig(fleet.config({ url: 'redis://127.0.0.1:1' }))
  const { code, out } = await runProgram(['check', '--live', '--json', '-c', file])
  expect(code).toBe(1)
  expect(JSON.parse(out)).toMatchObject({ tokenStore: { error: 'connection refused' } })
})
