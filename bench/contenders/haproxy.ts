import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readVersion, findProgram } from '../system/find-program.ts'
import { freePort, untilListening } from '../system/ports.ts'
import type { Contender, Setting } from './contender.ts'
import { routePrefixes } from './route-paths.ts'

/** A lower bound: it adds a static header and fetches no token. */
export const haproxy: Contender = {
  name: 'haproxy',
  about: 'one thread, http-reuse, a static header',
  async find() {
    const program = findProgram('haproxy')
    if (program === undefined) {
      return {
        isFound: false,
        missing: 'no "haproxy" on the PATH; Debian: apt-get install haproxy',
      }
    }
    const version = /version (\S+)/.exec(await readVersion(program, ['-v']))?.[1] ?? ''
    return { isFound: true, version }
  },
  cannot: ({ accessLog }) => (accessLog ? 'its access log is not configured' : undefined),
  async start(setting) {
    const { directory, processes, cores } = setting
    const port = await freePort()
    const file = join(directory, 'haproxy.cfg')
    await writeFile(file, configuration(setting, port))
    const started = processes.start({
      command: findProgram('haproxy') ?? '',
      args: ['-db', '-q', '-f', file],
      cores,
    })
    await untilListening(port, started)
    return {
      origin: `http://127.0.0.1:${port}`,
      pids: [started.pid],
      stop: async () => await started.stop(),
    }
  },
}

function configuration(setting: Setting, port: number): string {
  const { upstream, upstreamTls, authorityFile, token, routes, http2 } = setting
  const tls = upstreamTls
    ? `ssl verify required ca-file ${authorityFile} sni str(localhost) verifyhost localhost`
    : ''
  const prefixes = routePrefixes(routes)
  return `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend application
  bind 127.0.0.1:${port} ${http2 === 'both' ? 'proto h2 ' : ''}backlog 4096
${prefixes.map((prefix, index) => `  use_backend route-${index} if { path_beg ${prefix}/ }\n`).join('')}
${prefixes
  .map(
    (_prefix, index) => `backend route-${index}
  http-request set-header Authorization "Bearer ${token}"
  server upstream 127.0.0.1:${upstream.port} ${http2 === 'neither' ? tls : 'proto h2'}
`,
  )
  .join('')}`
}
