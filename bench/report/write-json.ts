import { writeFile } from 'node:fs/promises'
import { BenchError } from '../system/bench-error.ts'

export async function writeJson(file: string, content: object): Promise<void> {
  try {
    await writeFile(file, `${JSON.stringify(content, undefined, 2)}\n`)
  } catch (cause) {
    throw new BenchError(`Cannot write "${file}": ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    })
  }
}
