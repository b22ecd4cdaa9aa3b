import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import {
  createSecureServer,
  createServer as createHttp2Server,
  type ServerHttp2Stream,
} from 'node:http2'
import { join } from 'node:path'
import { http2Options } from '../../src/inbound/http2-limits.ts'
import type { Programs } from './programs.ts'
import { listen, type Stage } from './stage.ts'

/** The failed cases of one server; none is skipped silently. */
export type H2specResults = {
  readonly server: string
  readonly passed: number
  readonly skipped: number
  /** Each as "section: case". */
  readonly failed: readonly string[]
}

const DEADLINE_MS = 10 * 60_000
const MAX_HEADER_BYTES = 16_384

/** The sidecar's listener and a bare node:http2 server with the same settings, in cleartext and over TLS. */
export async function runH2spec(
  { h2spec }: Programs,
  stage: Stage,
  stack: AsyncDisposableStack,
  directory: string,
  progress: (text: string) => void,
): Promise<readonly H2specResults[]> {
  const upstream = createServer((req, res) => {
    req.resume()
    res.end('hello')
  })
  const origin = `http://127.0.0.1:${await listen(upstream)}`
  const options = http2Options(MAX_HEADER_BYTES)
  const bare = createHttp2Server(options)
  const cert = await readFile(stage.tls.certFile)
  const key = await readFile(stage.tls.keyFile)
  const bareTls = createSecureServer({ ...options, cert, key })
  for (const server of [bare, bareTls]) {
    server.on('stream', answer)
    server.on('sessionError', () => {})
  }
  stack.defer(() => {
    upstream.close()
    upstream.closeAllConnections()
    bare.close()
    bareTls.close()
  })
  const sidecar = { upstream: origin, http2: 'auto' } as const
  const servers = [
    { server: 'node:http2', usesTls: false, port: await listen(bare) },
    {
      server: 'token-sidecar',
      usesTls: false,
      port: await stage.startSidecar({ ...sidecar, listensWithTls: false }),
    },
    { server: 'node:http2, TLS', usesTls: true, port: await listen(bareTls) },
    {
      server: 'token-sidecar, TLS',
      usesTls: true,
      port: await stage.startSidecar({ ...sidecar, listensWithTls: true }),
    },
  ]
  const results: H2specResults[] = []
  for (const { server, usesTls, port } of servers) {
    progress(`h2spec, ${server}`)
    const report = join(directory, `h2spec-${port}.xml`)
    const args = ['-h', '127.0.0.1', '-p', String(port), '--strict', '-j', report]
    if (usesTls) args.push('--tls', '--insecure')
    // It exits with 1 when a case fails; the report says which.
    const output = await outputOf(h2spec, args)
    if (!existsSync(report)) throw new Error(`Cannot run h2spec against ${server}: ${output}`)
    results.push({ server, ...parseReport(await readFile(report, 'utf8')) })
  }
  return results
}

async function outputOf(program: string, args: readonly string[]): Promise<string> {
  return await new Promise((resolve) => {
    execFile(
      program,
      args,
      { timeout: DEADLINE_MS, maxBuffer: 64 * 1024 * 1024 },
      (_error, stdout, stderr) => resolve((stdout + stderr).slice(-2_000)),
    )
  })
}

function answer(stream: ServerHttp2Stream): void {
  stream.on('error', () => {})
  stream.resume()
  stream.respond({ ':status': 200 })
  stream.end('hello')
}

/** The JUnit report of h2spec. */
function parseReport(xml: string): Omit<H2specResults, 'server'> {
  let passed = 0
  let skipped = 0
  const failed: string[] = []
  const cases = xml.matchAll(
    /<testcase package="(?<section>[^"]*)" classname="(?<name>[^"]*)"[^>]*?(?:\/>|>(?<content>.*?)<\/testcase>)/gs,
  )
  for (const { groups: { section = '', name = '', content = '' } = {} } of cases) {
    if (content.includes('<skipped')) skipped += 1
    else if (content.includes('<failure') || content.includes('<error')) {
      failed.push(`${section}: ${name}`)
    } else passed += 1
  }
  if (passed === 0) throw new Error(`Cannot read the report of h2spec: no case has passed`)
  return { passed, skipped, failed }
}
