import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startServer } from './servers.ts'
import { type RunningSidecar, startSidecar, temporaryDirectory } from './sidecar.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Everything goes to `upstream`, with a token of a credential that is made of these lines. */
export function credentialConfig(credential: string, upstream: string, route = ''): string {
  return `
credentials:
  corp:
${indent(credential)}
routes:
  - name: all
    match: { path: / }
    upstream: ${upstream}
    credential: corp
${indent(route)}
`
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(4))
}

export type Call = {
  readonly status: number
  /** The answer: what the upstream got as Authorization, or why there is none. */
  readonly body: string
  readonly sidecar: RunningSidecar
}

/** One request through a sidecar with this credential, to an API that tells what token it got. */
export async function callWith(credential: string, env: Environment = {}): Promise<Call> {
  const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
  const sidecar = await startSidecar(credentialConfig(credential, upstream), env)
  const response = await fetch(sidecar.proxyUrl)
  return { status: response.status, body: await response.text(), sidecar }
}

/** A file with this content, gone when the test is over. Returns its path. */
export async function fileWith(content: string | Buffer): Promise<string> {
  const path = join(await temporaryDirectory(), 'file')
  await writeFile(path, content)
  return path
}
