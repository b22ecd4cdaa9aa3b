import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startServer } from './servers.ts'
import { type RunningSidecar, startSidecar, temporaryDirectory } from './sidecar.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** One route for all requests to `upstream`, with a credential of these settings. */
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
  /** The Authorization that the upstream received, or a problem response. */
  readonly body: string
  readonly sidecar: RunningSidecar
}

/** One request through a sidecar with this credential, to an API that responds with the received token. */
export async function callWith(credential: string, env: Environment = {}): Promise<Call> {
  const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
  const sidecar = await startSidecar(credentialConfig(credential, upstream), env)
  const response = await fetch(sidecar.proxyUrl)
  return { status: response.status, body: await response.text(), sidecar }
}

/** The path of a file with this content, which is removed at the end of the test. */
export async function fileWith(content: string | Buffer): Promise<string> {
  const path = join(await temporaryDirectory(), 'file')
  await writeFile(path, content)
  return path
}
