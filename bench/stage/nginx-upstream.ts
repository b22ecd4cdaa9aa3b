import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { readVersion } from '../system/find-program.ts'
import { freePort, untilListening } from '../system/ports.ts'
import { RESPONSES, PROBE_PATH, UPLOAD_PATH } from './responses.ts'
import { describeRequest } from './describe-request.ts'
import { tokenLengths, type Upstream, type UpstreamOptions } from './upstream.ts'

export async function startNginxUpstream(
  nginx: string,
  options: UpstreamOptions,
): Promise<Omit<Upstream, 'http2'>> {
  const { processes, cores } = options
  const directory = join(options.directory, 'upstream')
  await mkdir(join(directory, 'files'), { recursive: true })
  await writeFile(join(directory, 'files', RESPONSES.mebibyte.path), RESPONSES.mebibyte.body)
  const [httpPort, httpsPort] = [await freePort(), await freePort()]
  const file = join(directory, 'nginx.conf')
  const probePort = await startProbeServer()
  await writeFile(file, configuration({ ...options, directory, httpPort, httpsPort, probePort }))
  const started = processes.start({ command: nginx, args: ['-c', file], cores })
  await untilListening(httpPort, started)
  return {
    http: `http://127.0.0.1:${httpPort}`,
    https: `https://127.0.0.1:${httpsPort}`,
    note: (await readVersion(nginx, ['-v'])).trim().replace(/^nginx version: /, ''),
  }
}

/** nginx cannot describe a received request, so it forwards probe requests to this process. */
async function startProbeServer(): Promise<number> {
  const server = createServer((req, res) => void describeRequest(req, res))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  return bound.port
}

type Places = UpstreamOptions & {
  readonly httpPort: number
  readonly httpsPort: number
  readonly probePort: number
}

function configuration(places: Places): string {
  const { directory, token, httpPort, httpsPort, probePort, certificateFile, keyFile } = places
  const { min, max } = tokenLengths(token)
  const { small, mebibyte } = RESPONSES
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off; worker_processes 1; worker_rlimit_nofile 16384;
pid ${directory}/pid; error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off; log_not_found off; sendfile on; tcp_nodelay on;
  keepalive_requests 1000000000; keepalive_timeout 1h; client_max_body_size 0;
  client_body_buffer_size 11m;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ')}
  large_client_header_buffers 8 16k;
  server {
    listen 127.0.0.1:${httpPort} backlog=4096;
    listen 127.0.0.1:${httpsPort} ssl backlog=4096;
    ssl_certificate ${certificateFile}; ssl_certificate_key ${keyFile};
    if ($http_authorization !~ "^Bearer [A-Za-z0-9._~-]{${min},${max}}$") { return 401; }
    location / { default_type ${small.type}; return 200 '${small.body.toString()}'; }
    location ~ ^/[^/]+/${mebibyte.path}$ {
      root ${directory}/files; default_type ${mebibyte.type};
      rewrite ^ /${mebibyte.path} break;
    }
    # Responds only after the complete body: the mirror module reads it, then the missing file
    # causes an error, which the response replaces.
    location ~ ^/[^/]+/${UPLOAD_PATH}/(\\d+)$ {
      set $expected $1;
      mirror /mirror; root ${directory}/none; error_page 404 405 =200 @received;
    }
    location = /mirror { internal; return 204; }
    location @received {
      default_type ${small.type};
      set $lengths "$expected $content_length";
      if ($lengths !~ "^(\\d+) \\1$") { return 400; }
      return 200 '${small.body.toString()}';
    }
    location ~ ^/[^/]+/${PROBE_PATH}$ {
      proxy_pass http://127.0.0.1:${probePort};
    }
  }
}
`
}
