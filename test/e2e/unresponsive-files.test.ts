import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { endpointConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'
import { startProgramAt, temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** Opening or reading a named pipe without a writer hangs, like an unreachable file server. */
function replaceByPipe(path: string): void {
  rmSync(path)
  execFileSync('mkfifo', [path])
}

async function startWithFiles() {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const directory = await temporaryDirectory()
  const secret = join(directory, 'secret')
  const config = join(directory, 'token-sidecar.yaml')
  writeFileSync(secret, 'first')
  const text = endpointConfig({ endpoint: endpoint.url, upstream }).replace(
    /clientSecret: \{[^}]*\}/,
    `clientSecret: { file: ${secret} }`,
  )
  writeFileSync(config, `listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n${text}`)
  const program = await startProgramAt(config)
  const isServed = async (): Promise<boolean> =>
    (await fetch(`${program.proxyUrl}/orders`)).status === 200
  await until(isServed)
  return { program, secret, config, isServed }
}

test('while reading a secret file hangs, the cached token is used, and a renewal fails after 5 s', async () => {
  const { program, secret, isServed } = await startWithFiles()
  replaceByPipe(secret)
  const renewal: { response?: Response } = {}
  void fetch(`${program.adminUrl}/credentials/corp/renew`, { method: 'POST' }).then((response) => {
    renewal.response = response
  })
  await until(async () => {
    expect(await isServed()).toBe(true)
    return renewal.response !== undefined
  })
  expect(renewal.response?.status).toBe(503)
  expect(await renewal.response?.text()).toContain('its secret or assertion is not readable')
  expect(await isServed()).toBe(true)
  expect((await program.stop()).code).toBe(0)
})

test('while reading the configuration file hangs, requests are served, and a reload fails with the reason', async () => {
  const { program, config, isServed } = await startWithFiles()
  replaceByPipe(config)
  program.process.kill('SIGHUP')
  await until(async () => {
    expect(await isServed()).toBe(true)
    return program.output().includes('configuration not reloaded')
  })
  expect(program.output()).toContain('reading it took longer than 5 s')
  expect((await program.stop()).code).toBe(0)
})

test('SIGTERM ends the process while a file is being read', async () => {
  const { program, config, secret, isServed } = await startWithFiles()
  replaceByPipe(secret)
  replaceByPipe(config)
  program.process.kill('SIGHUP')
  const renewal = fetch(`${program.adminUrl}/credentials/corp/renew`, { method: 'POST' }).catch(
    () => 'cut off',
  )
  await until(isServed)
  expect((await program.stop()).code).toBe(0)
  expect(await renewal).toBe('cut off')
})
