import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { Running, Setting } from './contender.ts'
import { SHIPPED_NODE_FLAGS } from './shipped-node-flags.ts'

/** The settings of a contender that is a program of this benchmark. */
export const programSettings = z.object({
  upstream: z.string(),
  authorityFile: z.string(),
  authorization: z.string(),
})

const listening = z.object({ port: z.number() })

/** Starts a Node program of this folder, with the Node flags of the container image. */
export async function startNodeProgram(program: string, setting: Setting): Promise<Running> {
  const { directory, processes, cores, upstream, authorityFile, token } = setting
  const file = join(directory, 'settings.json')
  const settings: z.output<typeof programSettings> = {
    upstream: upstream.origin,
    authorityFile,
    authorization: `Bearer ${token}`,
  }
  await writeFile(file, JSON.stringify(settings))
  const started = processes.start({
    command: process.execPath,
    args: [...SHIPPED_NODE_FLAGS, join(import.meta.dirname, program), file],
    cores,
  })
  const { port } = listening.parse(JSON.parse(await started.firstLine()))
  return {
    origin: `http://127.0.0.1:${port}`,
    pids: [started.pid],
    stop: async () => await started.stop(),
  }
}
