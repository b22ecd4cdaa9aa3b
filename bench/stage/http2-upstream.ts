import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { UpstreamOptions } from './upstream.ts'

const PROGRAM = join(import.meta.dirname, 'http2-upstream-program.ts')

const listening = z.object({ origin: z.string() })

/** HTTP/2 with prior knowledge, including gRPC; always Node, because nginx sends no trailer section. */
export async function startHttp2Upstream(options: UpstreamOptions): Promise<string> {
  const { processes, cores, directory, token } = options
  const file = join(directory, 'http2-upstream.json')
  await writeFile(file, JSON.stringify({ token }))
  const started = processes.start({ command: process.execPath, args: [PROGRAM, file], cores })
  return listening.parse(JSON.parse(await started.firstLine())).origin
}
