import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { createSecret } from '../../../src/lib/secret.ts'

const TEXT = 's3cret-canary'
const secret = createSecret(TEXT)
// As the code sees it that prints whatever it is given.
const something: unknown = secret

test('a secret is only told by reveal', () => {
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
  ['String()', () => String(something)],
  ['a template', () => `is ${String([something])}`],
  ['joining', () => [something].join('')],
  ['JSON', () => JSON.stringify(secret)],
  ['JSON of what has it', () => JSON.stringify({ a: [secret] })],
  ['inspect', () => inspect(secret)],
  ['inspect of what has it', () => inspect({ a: { b: secret } }, { depth: Infinity })],
  ['inspect of all there is', () => inspect(secret, { showHidden: true, getters: true })],
  ['%s', () => format('%s', secret)],
  ['%j', () => format('%j', secret)],
  ['%o', () => format('%o', secret)],
  ['%O', () => format('%O', secret)],
  ['the console', () => consoleOutput((console) => console.log('is', secret, { secret }))],
  ['a table', () => consoleOutput((console) => console.table([{ secret }]))],
  ['an error that it is the cause of', () => inspect(new Error('no', { cause: secret }))],
] as const)('%s gives [redacted] instead', ([, render]) => {
  const rendered = render()
  expect(rendered).not.toContain(TEXT)
  expect(rendered).toContain('[redacted]')
})

test.for([
  ['inspect without custom rendering', () => inspect(secret, { customInspect: false })],
  ['its keys and values', () => format(Object.entries(secret), Object.keys(secret))],
  ['a copy', () => format('%o', { ...secret })],
  ['console.dir', () => consoleOutput((console) => console.dir(secret, { showHidden: true }))],
] as const)('%s does not have it either', ([, render]) => {
  expect(render()).not.toContain(TEXT)
})

test('a secret cannot be made to print itself', () => {
  expect(() => Object.assign(secret, { toString: secret.reveal })).toThrow(TypeError)
})
