import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { BenchError } from '../system/bench-error.ts'

const DOCKERFILE = join(import.meta.dirname, '..', '..', 'Dockerfile')

/** The Node flags of the container image; the other Node contenders run with the same ones. */
export const SHIPPED_NODE_FLAGS = parseNodeFlags(readFileSync(DOCKERFILE, 'utf8'))

export function parseNodeFlags(dockerfile: string): string[] {
  const entryPoint = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1]
  if (entryPoint === undefined) {
    throw new BenchError('Cannot read the Dockerfile: it has no ENTRYPOINT as a list')
  }
  const [command, ...rest] = z.array(z.string()).parse(JSON.parse(entryPoint))
  if (command !== 'node') {
    throw new BenchError(`Cannot read the Dockerfile: its ENTRYPOINT begins with "${command}"`)
  }
  return rest.slice(0, -1)
}
