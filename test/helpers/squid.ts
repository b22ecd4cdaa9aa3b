import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Certificate } from './certificates.ts'
import { portOf } from './servers.ts'
import { temporaryDirectory } from './sidecar.ts'
import { findPrograms } from './tools.ts'
import { until } from './wait.ts'

/** Squid, a forward proxy of another project. Debian has it in the package squid-openssl. */
export const [SQUID] = findPrograms('squid')

export const SQUID_USER = 'app'
export const SQUID_PASSWORD = 'squid-canary-42'
/** The output of `openssl passwd -5 squid-canary-42`. */
const PASSWORD_HASH = '$5$abcdefgh$LZZFuVwizu668J1GN3bbIvT0FGIZX9wCQ95ACDNt7V9'

export type Squid = {
  /** Its access log: a method, a target, a status and a user for each request. */
  readonly log: () => Promise<string>
  readonly httpUrl: string
  readonly httpsUrl: string
}

/** Starts squid with Basic authentication; it allows CONNECT to the port `tunnelPort` alone. */
export async function startSquid(
  program: string,
  { certificate, key }: Certificate,
  tunnelPort: number,
): Promise<Squid> {
  const directory = await temporaryDirectory()
  // Squid gives up root, and then reads these files.
  await chmod(directory, 0o777)
  const path = (name: string): string => join(directory, name)
  await writeFile(path('certificate.pem'), certificate)
  await writeFile(path('key.pem'), key)
  await writeFile(path('passwords'), `${SQUID_USER}:${PASSWORD_HASH}\n`)
  const [httpPort, httpsPort] = await freePorts()
  await writeFile(
    path('squid.conf'),
    `
http_port 127.0.0.1:${httpPort}
https_port 127.0.0.1:${httpsPort} tls-cert=${path('certificate.pem')} tls-key=${path('key.pem')}
auth_param basic program /usr/lib/squid/basic_ncsa_auth ${path('passwords')}
auth_param basic realm squid
acl authenticated proxy_auth REQUIRED
acl tunnels method CONNECT
acl tunnel_port port ${tunnelPort}
http_access deny !authenticated
http_access deny tunnels !tunnel_port
http_access allow all
logformat short %rm %ru %>Hs %un
access_log stdio:${path('access.log')} logformat=short
cache_log ${path('cache.log')}
cache deny all
strip_query_terms off
pid_filename none
coredump_dir ${directory}
shutdown_lifetime 0 seconds
`,
  )
  const child = spawn(program, ['-N', '-f', path('squid.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString()
  })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await exited
  })
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`squid has ended: ${complaint}`)
    return (await isOpen(httpPort)) && (await isOpen(httpsPort))
  })
  return {
    log: async () => await readFile(path('access.log'), 'utf8'),
    httpUrl: `http://127.0.0.1:${httpPort}`,
    httpsUrl: `https://localhost:${httpsPort}`,
  }
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()]
  const ports: number[] = []
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ports.push(portOf(server))
  }
  for (const server of servers) server.close()
  const [first = 0, second = 0] = ports
  return [first, second]
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const { promise, resolve } = Promise.withResolvers<boolean>()
  socket.on('connect', () => resolve(true))
  socket.on('error', () => resolve(false))
  const isReachable = await promise
  socket.destroy()
  return isReachable
}
