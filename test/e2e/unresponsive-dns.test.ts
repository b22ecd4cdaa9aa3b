import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

/** Namespaces with a different /etc/resolv.conf. */
const UNSHARE = ['--map-root-user', '--mount', '--net']
const HAS_NAMESPACES =
  spawnSync('unshare', [...UNSHARE, 'ip', 'link', 'set', 'lo', 'up']).status === 0

/** A DNS server that never responds, and an upstream; the process exits at the end of its standard input. */
const SERVERS = `
import { createSocket } from 'node:dgram'
import { createServer } from 'node:http'
createSocket('udp4').bind(53, '127.0.0.1')
createServer((req, res) => void res.end('ok')).listen(8000, '127.0.0.1')
process.stdin.resume().on('end', () => process.exit())
`
const START = `
ip link set lo up
mount --bind "$1/resolv.conf" /etc/resolv.conf
"$0" "$1/servers.mjs" <&3 &
exec "$0" dist/cli.js run -c "$1/token-sidecar.yaml"
`

const CONFIG = (directory: string): string => `
listen: unix:${directory}/proxy.sock
admin: unix:${directory}/admin.sock
shutdown: { deadline: 200ms }
credentials:
  corp:
    tokenEndpoint: https://login.example/token
    clientId: app
    auth: { method: client_secret_post, clientSecret: { value: secret } }
    timeout: 600s
routes:
  - { name: free, match: { path: /free }, upstream: 'http://127.0.0.1:8000', credential: none }
  - { name: orders, match: { path: /orders }, upstream: 'http://127.0.0.1:8000', credential: corp }
  - { name: named, match: { path: /named }, upstream: 'https://api.example', credential: none }
`

test.skipIf(!HAS_NAMESPACES)(
  'with a DNS server that never responds, other routes, the admin listener and the log work, and SIGTERM ends the process',
  async () => {
    const directory = await temporaryDirectory()
    writeFileSync(join(directory, 'token-sidecar.yaml'), CONFIG(directory))
    writeFileSync(join(directory, 'servers.mjs'), SERVERS)
    writeFileSync(
      join(directory, 'resolv.conf'),
      'nameserver 127.0.0.1\noptions timeout:30 attempts:5\n',
    )
    // A file, because Node writes to files on the threads that DNS lookups occupy.
    const logFile = join(directory, 'log')
    const log = openSync(logFile, 'a')
    const command = [...UNSHARE, 'sh', '-ec', START, process.execPath, directory]
    const child = spawn('unshare', command, { stdio: ['ignore', log, 'inherit', 'pipe'] })
    const exited = once(child, 'exit')
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await exited
      child.stdio[3]?.destroy()
      closeSync(log)
    })
    const logs = (): string => readFileSync(logFile, 'utf8')
    await until(() => logs().includes('"message":"listening"'))
    const get = async (listener: 'proxy' | 'admin', path: string) => {
      const sent = request({ socketPath: join(directory, `${listener}.sock`), path })
      const [response]: IncomingMessage[] = await once(sent.end(), 'response')
      return { status: response?.statusCode, body: response && (await text(response)) }
    }
    await until(async () => (await get('proxy', '/free')).status === 200)
    const hanging = Array.from({ length: 20 }, async (_, index) => {
      await get('proxy', index % 2 === 0 ? '/named' : '/orders').catch(() => {})
    })
    await until(async () => {
      const { body } = await get('admin', '/metrics')
      return /^token_sidecar_requests_in_flight\{route="named"\} 10$/m.test(body ?? '')
    })
    expect(await get('proxy', '/free?after')).toEqual({ status: 200, body: 'ok' })
    expect(await get('admin', '/readyz')).toMatchObject({ status: 503 })
    const before = logs().length
    await until(async () => {
      await get('proxy', '/free')
      return logs().length > before
    })
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    await Promise.all(hanging)
    expect(logs()).toContain('"message":"stopped"')
  },
)
