import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { createSecret } from '../../../src/lib/secret.ts'

const TEXT = 's3cret-canary'
const secret = createSecret(TEXT)
// As seen by code that prints any value.
const unknownValue: unknown = secret

test('reveal returns the secret', () => {
  expect(secret.reveal()).toBe(TEXT)
})

/** What a console writes for these arguments. */
function consoleOutput(write: (console: Console) => void): string {
  let output = ''
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      output += chunk.toString()
      done()
    },
  })
  write(new Console({ stdout: stream, stderr: stream }))
  return output
}

test.for([
  ['String()', () => String(unknownValue)],
  ['a template literal', () => `is ${String([unknownValue])}`],
  ['joining', () => [unknownValue].join('')],
  ['JSON', () => JSON.stringify(secret)],
  ['JSON of an object that contains it', () => JSON.stringify({ a: [secret] })],
  ['inspect', () => inspect(secret)],
  [
    'inspect of an object that contains it',
    () => inspect({ a: { b: secret } }, { depth: Infinity }),
  ],
  [
    'inspect with hidden properties and getters',
    () => inspect(secret, { showHidden: true, getters: true }),
  ],
  ['%s', () => format('%s', secret)],
  ['%j', () => format('%j', secret)],
  ['%o', () => format('%o', secret)],
  ['%O', () => format('%O', secret)],
  ['the console', () => consoleOutput((console) => console.log('is', secret, { secret }))],
  ['a table', () => consoleOutput((console) => console.table([{ secret }]))],
  ['an error with it as cause', () => inspect(new Error('no', { cause: secret }))],
] as const)('%s prints [redacted] instead of a secret', ([, render]) => {
  const rendered = render()
  expect(rendered).not.toContain(TEXT)
  expect(rendered).toContain('[redacted]')
})

test.for([
  ['inspect without custom rendering', () => inspect(secret, { customInspect: false })],
  ['its keys and values', () => format(Object.entries(secret), Object.keys(secret))],
  ['a copy', () => format('%o', { ...secret })],
  ['console.dir', () => consoleOutput((console) => console.dir(secret, { showHidden: true }))],
] as const)('%s does not contain the secret', ([, render]) => {
  expect(render()).not.toContain(TEXT)
})

test('toString of a secret cannot be overwritten', () => {
  expect(() => Object.assign(secret, { toString: secret.reveal })).toThrow(TypeError)
})
