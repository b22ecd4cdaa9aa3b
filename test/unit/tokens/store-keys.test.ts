import { expect, test } from 'vitest'
import { createStoreKey } from '../../../src/tokens/store-keys.ts'

const SECRET = 'a key of the store with more than 32 characters'
const key = createStoreKey(SECRET, 'ts:')
const other = createStoreKey(`${SECRET}!`, 'ts:')
const NAME = key.nameOf('client at server', 'token')

test('the name of an entry reveals nothing of what it describes', () => {
  expect(NAME).toMatch(/^ts:\{[\w-]{43}\}:token$/)
  expect(NAME).not.toContain('client')
})

test('the entries of one token have the same hash tag, so that they are in one slot of a cluster', () => {
  const tags = (['token', 'failure', 'lock', 'replaced'] as const).map(
    (kind) => /\{.*\}/.exec(key.nameOf('client at server', kind))?.[0],
  )
  expect(new Set(tags).size).toBe(1)
})

test('entry names depend on the description and on the key of the store', () => {
  expect(key.nameOf('another client', 'token')).not.toBe(NAME)
  expect(other.nameOf('client at server', 'token')).not.toBe(NAME)
})

test('a sealed entry shows its expiry and nothing of its text, and can be opened', () => {
  const sealed = key.seal(NAME, 1_790_000_000_000.5, 'the token')
  expect(sealed).toMatch(/^1790000000000\.1\.[\w-]{8}\.[\w-]+$/)
  expect(Buffer.from(sealed.split('.')[3] ?? '', 'base64url').toString('latin1')).not.toContain(
    'token',
  )
  expect(key.open(NAME, sealed)).toBe('the token')
})

test('sealing the same text twice gives different entries', () => {
  expect(key.seal(NAME, 5, 'x')).not.toBe(key.seal(NAME, 5, 'x'))
})

test.for([
  ['under another name', (sealed: string) => [`${NAME}2`, sealed]],
  ['with another expiry', (sealed: string) => [NAME, sealed.replace(/^\d+/, '9999999999999')]],
  ['of another version', (sealed: string) => [NAME, sealed.replace(/\.1\./, '.2.')]],
  ['with a changed octet', (sealed: string) => [NAME, `${sealed.slice(0, -2)}AA`]],
  ['that is cut off', (sealed: string) => [NAME, sealed.slice(0, 40)]],
  ['that is empty', () => [NAME, '']],
  ['that is garbage', () => [NAME, '\u0000\u{1F600} not an entry']],
] as const)('an entry %s is not opened', ([, change]) => {
  const [name = '', text = ''] = change(key.seal(NAME, 1_790_000_000_000, 'the token'))
  expect(key.open(name, text)).toBeUndefined()
})

test('an entry that was sealed with another key is not opened', () => {
  expect(key.open(NAME, other.seal(NAME, 5, 'the token'))).toBeUndefined()
})
