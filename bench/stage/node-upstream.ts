import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { Upstream, UpstreamOptions } from './upstream.ts'

const PROGRAM = join(import.meta.dirname, 'node-upstream-program.ts')

const listening = z.object({ http: z.string(), https: z.string() })

/** Replaces nginx where it is not installed: the same responses from a separate Node process. */
export async function startNodeUpstream(
  options: UpstreamOptions,
): Promise<Omit<Upstream, 'http2'>> {
  const { processes, cores, directory, token, certificateFile, keyFile } = options
  const file = join(directory, 'node-upstream.json')
  await writeFile(file, JSON.stringify({ token, certificateFile, keyFile }))
  const started = processes.start({ command: process.execPath, args: [PROGRAM, file], cores })
  const origins = listening.parse(JSON.parse(await started.firstLine()))
  return { ...origins, note: 'node:http (nginx is not installed; Debian: nginx)' }
}
