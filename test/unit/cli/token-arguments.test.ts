import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'
import { endpointConfig } from '../../helpers/config-text.ts'
import { startServer } from '../../helpers/servers.ts'

const UPSTREAM = 'https://orders.example.com'

test.for([
  { name: 'crop', hint: '; did you mean "corp"?' },
  { name: 'somebody', hint: '' },
  { name: 'none', hint: '' },
  { name: 'constructor', hint: '' },
  { name: '__proto__', hint: '' },
])('token rejects the unknown credential $name', async ({ name, hint }) => {
  const endpoint = 'https://login.example.com/token'
  const file = await writeConfig(endpointConfig({ endpoint, upstream: UPSTREAM }))
  const { code, out, err } = await runCommand(['token', name, '-c', file])
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err.endsWith(`"${name}": the configuration has no such credential${hint}\n`)).toBe(true)
})

test('token reports that the authorization server is unreachable', async () => {
  const gone = await startServer((req) => req.socket.destroy())
  const file = await writeConfig(endpointConfig({ endpoint: gone, upstream: UPSTREAM }))
  expect(await runCommand(['token', 'corp', '-c', file])).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringContaining('token_unavailable'),
  })
})

test.for([{ command: ['token', 'corp'] }, { command: ['check', '--live'] }])(
  '$command requests no token with an invalid configuration',
  async ({ command }) => {
    const file = await writeConfig('routes: []')
    expect(await runCommand([...command, '-c', file])).toMatchObject({ code: 3, out: '' })
  },
)
