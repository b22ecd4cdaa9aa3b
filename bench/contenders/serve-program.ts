import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { Server } from 'node:net'
import { programSettings } from './start-node-program.ts'

/** The settings that `startNodeProgram` passed to this program. */
export function readProgramSettings() {
  const settings = programSettings.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')))
  return { ...settings, ca: readFileSync(settings.authorityFile) }
}

/** Listens on a free port and prints its number. */
export async function serveProgram(handle: RequestListener): Promise<void> {
  await announcePort(createServer(handle))
}

export async function announcePort(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1', 4096)
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  process.stdout.write(`${JSON.stringify({ port: bound.port })}\n`)
}
