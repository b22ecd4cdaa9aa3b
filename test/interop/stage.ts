import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { createAuthority } from '../helpers/certificates.ts'
import { startSidecarProcess } from '../servers/sidecar-process.ts'

/** What the servers of a run have in common; everything is closed with the stack. */
export type Stage = {
  /** Starts a sidecar before `upstream`, and returns the port of its listener. */
  startSidecar(options: SidecarOptions): Promise<number>
  readonly tls: Readonly<Record<'caFile' | 'certFile' | 'keyFile', string>>
}

type SidecarOptions = {
  readonly upstream: string
  readonly listensWithTls: boolean
  readonly http2: 'auto' | 'always'
}

export async function createStage(directory: string, stack: AsyncDisposableStack): Promise<Stage> {
  const authority = await createAuthority('interop')
  const { certificate, key } = await authority.issue('localhost', ['localhost', '127.0.0.1'])
  const write = async (name: string, text: string): Promise<string> => {
    const file = join(directory, name)
    await writeFile(file, text, { mode: 0o600 })
    return file
  }
  const tls = {
    caFile: await write('ca.pem', authority.certificate),
    certFile: await write('certificate.pem', certificate),
    keyFile: await write('key.pem', key),
  }
  const tokenEndpoint = createServer((req, res) => {
    req.resume()
    res.setHeader('content-type', 'application/json')
    res.end('{"access_token":"interop","token_type":"Bearer","expires_in":3600}')
  })
  const tokenPort = await listen(tokenEndpoint)
  stack.defer(() => {
    tokenEndpoint.close()
    tokenEndpoint.closeAllConnections()
  })
  let sidecars = 0
  return {
    tls,
    async startSidecar({ upstream, listensWithTls, http2 }) {
      sidecars += 1
      const isTls = upstream.startsWith('https:')
      const file = await write(
        `sidecar-${sidecars}.json`,
        JSON.stringify({
          listen: listensWithTls
            ? {
                address: '127.0.0.1:0',
                tls: { cert: { file: tls.certFile }, key: { file: tls.keyFile } },
              }
            : '127.0.0.1:0',
          admin: '127.0.0.1:0',
          log: { format: 'json', access: 'off' },
          credentials: {
            interop: {
              tokenEndpoint: `http://127.0.0.1:${tokenPort}/token`,
              clientId: 'interop',
              auth: { method: 'none' },
            },
          },
          routes: [
            {
              name: 'interop',
              match: { path: '/' },
              upstream,
              credential: 'interop',
              http2,
              ...(isTls && { tls: { ca: { file: tls.caFile } } }),
            },
          ],
        }),
      )
      const sidecar = await startSidecarProcess(file)
      stack.defer(sidecar.stop)
      return Number(new URL(sidecar.proxyUrl).port)
    },
  }
}

/** Listens on a free port of the loopback address. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound: AddressInfo | string | null = server.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  return bound.port
}
