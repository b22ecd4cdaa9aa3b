import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchError } from '../system/bench-error.ts'
import { readVersion, findProgram } from '../system/find-program.ts'
import { freePort, untilListening } from '../system/ports.ts'
import { childrenOf } from '../system/proc.ts'
import type { Contender, Setting } from './contender.ts'
import { routePrefixes } from './route-paths.ts'

const FORK_DEADLINE_MS = 5_000

/** A lower bound, like HAProxy: it fetches no token. */
export const nginx: Contender = {
  name: 'nginx',
  about: 'one worker, upstream keep-alive, a static header',
  async find() {
    const program = findProgram('nginx')
    if (program === undefined) {
      return {
        isFound: false,
        missing: 'no "nginx" on the PATH; Debian: apt-get install nginx-light',
      }
    }
    const version = /nginx\/(\S+)/.exec(await readVersion(program, ['-v']))?.[1] ?? ''
    return { isFound: true, version }
  },
  cannot({ accessLog, http2 }) {
    if (http2 === 'upstream') return 'its grpc_pass accepts only HTTP/2 requests'
    return accessLog ? 'its access log is not configured' : undefined
  },
  async start(setting) {
    const { directory, processes, cores } = setting
    const port = await freePort()
    const file = join(directory, 'nginx.conf')
    await mkdir(join(directory, 'temporary'))
    await writeFile(file, configuration(setting, port))
    const started = processes.start({
      command: findProgram('nginx') ?? '',
      args: ['-c', file],
      cores,
    })
    await untilListening(port, started)
    return {
      origin: `http://127.0.0.1:${port}`,
      // Only the worker, because the master process handles no requests.
      pids: await untilForked(started.pid),
      stop: async () => await started.stop(),
    }
  },
}

/** The master process listens before it forks the worker. */
async function untilForked(pid: number): Promise<readonly number[]> {
  const deadlineMs = performance.now() + FORK_DEADLINE_MS
  while (performance.now() < deadlineMs) {
    const workers = childrenOf(pid)
    if (workers.length > 0) return workers
    await sleep(10)
  }
  throw new BenchError('Cannot start nginx: it has no worker')
}

function configuration(setting: Setting, port: number): string {
  const { upstream, upstreamTls, authorityFile, token, routes, directory, http2 } = setting
  const scheme = upstreamTls ? 'https' : 'http'
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off; worker_processes 1; worker_rlimit_nofile 16384;
pid ${directory}/pid; error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off; tcp_nodelay on;
  keepalive_requests 1000000000; keepalive_timeout 1h;
  client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/temporary/${kind};`).join(' ')}
  large_client_header_buffers 8 16k;
  proxy_ssl_verify on; proxy_ssl_trusted_certificate ${authorityFile};
  proxy_ssl_name localhost; proxy_ssl_server_name on;
  upstream api {
    server 127.0.0.1:${upstream.port};
    keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${port} ${http2 === 'both' ? 'http2 ' : ''}backlog=4096;
${routePrefixes(routes)
  .map(
    (prefix) => `    location ${prefix}/ {
      ${
        http2 === 'both'
          ? `grpc_pass grpc://api; grpc_set_header Authorization "Bearer ${token}";`
          : `proxy_pass ${scheme}://api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer ${token}";`
      }
    }
`,
  )
  .join('')}  }
}
`
}
