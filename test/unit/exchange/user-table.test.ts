import { expect, test } from 'vitest'
import { createUserTable } from '../../../src/exchange/user-table.ts'
import { createSecret } from '../../../src/lib/secret.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'

test('a password that is read again replaces the one before', async () => {
  const { table, clock, store } = await createTable('first')
  store.password = 'second'
  expect(table.accepts('app', 'first')).toBe(true)
  await clock.advance(10_000)
  expect(table.accepts('app', 'first')).toBe(false)
  expect(table.accepts('app', 'second')).toBe(true)
})

test.for(['', undefined])(
  'a password that is %j when it is read again leaves the one before in use',
  async (changed) => {
    const { table, clock, store } = await createTable('first')
    store.password = changed
    await clock.advance(10_000)
    expect(table.accepts('app', 'first')).toBe(true)
    expect(table.accepts('app', '')).toBe(false)
    store.password = 'second'
    await clock.advance(10_000)
    expect(table.accepts('app', 'second')).toBe(true)
  },
)

test.for([
  ['', 'the password of user "app" is empty'],
  [undefined, 'ENOENT'],
] as const)('a password that is %j at first is an error', async ([password, message]) => {
  await expect(createTable(password)).rejects.toThrow(message)
})

test('passwords are not read again after the table is closed', async () => {
  const { table, clock, store } = await createTable('first')
  table.close()
  const { reads } = store
  await clock.advance(60_000)
  expect(store.reads).toBe(reads)
})

test('each user has its own password', async () => {
  const readers = { app: 'a', other: 'b' }
  const users = Object.entries(readers).map(([username, password]) => ({
    username,
    readPassword: async () => await Promise.resolve(createSecret(password)),
  }))
  const table = await createUserTable(users, createFakeClock())
  expect(table.accepts('app', 'a')).toBe(true)
  expect(table.accepts('other', 'a')).toBe(false)
  expect(table.accepts('app', 'a:b')).toBe(false)
  expect(table.hasUser('other')).toBe(true)
  expect(table.hasUser('third')).toBe(false)
})

async function createTable(password: string | undefined) {
  const clock = createFakeClock()
  const store = { password, reads: 0 }
  const readPassword = async () => {
    store.reads += 1
    if (store.password === undefined) throw new Error('ENOENT')
    return await Promise.resolve(createSecret(store.password))
  }
  return { table: await createUserTable([{ username: 'app', readPassword }], clock), clock, store }
}
