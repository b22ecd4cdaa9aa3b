import { readFile, rename, writeFile } from 'node:fs/promises'
import * as z from 'zod'

/** A JSON file of all clients, for servers that read it for each request. */
export type ClientsFile = {
  put(id: string, client: Readonly<Record<string, unknown>>): Promise<void>
}

export function createClientsFile(path: string): ClientsFile {
  let last = Promise.resolve()
  const replace = async (id: string, client: Readonly<Record<string, unknown>>): Promise<void> => {
    const all = await readAll(path)
    await writeFile(`${path}.new`, JSON.stringify({ ...all, [id]: client }))
    await rename(`${path}.new`, path)
  }
  return {
    async put(id, client) {
      // Writes are sequential, because each depends on the one before.
      last = last.then(async () => await replace(id, client))
      await last
    },
  }
}

async function readAll(path: string): Promise<Record<string, unknown>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    return {}
  }
  return z.record(z.string(), z.unknown()).parse(JSON.parse(text))
}
