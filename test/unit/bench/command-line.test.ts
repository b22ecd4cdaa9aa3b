import { expect, test } from 'vitest'
import { main } from '../../../bench/command-line.ts'

async function run(...args: readonly string[]) {
  let out = ''
  let err = ''
  const code = await main(args, {
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    isErrTerminal: false,
    signal: new AbortController().signal,
  })
  return { code, out, err }
}

test('--help lists the commands and options', async () => {
  const { code, out, err } = await run('--help')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const named = [...out.matchAll(/^ {2}(--[a-z]+|[a-z]+)\b/gm)].map(([, name]) => name)
  expect(named).toEqual(
    expect.arrayContaining(['--case', '--contender', '--rounds', '--quick', '--json', '--list']),
  )
  expect(named).toEqual(
    expect.arrayContaining(['memory', 'start', 'tokens', 'scale', 'all', 'guard']),
  )
})

test('--list shows cases and contenders without running them', async () => {
  const { code, out } = await run('--list')
  expect(code).toBe(0)
  expect(out).toMatch(/^ {2}get +GET/m)
  expect(out).toMatch(/^ {2}bare-dispatch +only node:http and undici/m)
  expect(out).toMatch(/^ {2}client-undici +token-sidecar from source, with undici/m)
})

test.for([
  {
    args: ['--contender', 'haprox'],
    code: 1,
    err: 'Cannot select contender "haprox": expected "no-proxy", "token-sidecar", "bare-dispatch", "bare-http2", "http-proxy", "haproxy", "nginx", "envoy", "client-outbound", "client-undici"; did you mean "haproxy"?\n',
  },
  { args: ['--case', 'tlss'], code: 1, err: 'Cannot select case "tlss": expected "get", ' },
  { args: ['--rounds', '0'], code: 2, err: 'expected a positive integer' },
  { args: ['--rounds', 'x'], code: 2, err: 'expected a positive integer' },
  { args: ['memmory'], code: 2, err: 'error: unknown command "memmory"; did you mean "memory"?\n' },
  { args: ['--quik'], code: 2, err: "unknown option '--quik'" },
])('invalid arguments $args print an error', async ({ args, code, err }) => {
  const result = await run(...args)
  expect(result.code).toBe(code)
  expect(result.out).toBe('')
  expect(result.err).toContain(err)
})
