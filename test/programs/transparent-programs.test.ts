import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  PROGRAM_SUPPORT,
  type ProgramSupport,
  type ProgramName,
} from '../../scripts/program-support.ts'
import { RUNTIMES } from '../../src/cli/runtimes.ts'
import { MAY_SKIP } from '../helpers/tools.ts'
import {
  CANNOT_RUN,
  DEPLOYMENTS,
  NAMED,
  SETUP_TIMEOUT_MS,
  setStage,
  type Stage,
} from '../namespace/stage.ts'
import { PROGRAMS } from './programs.ts'

/** What the server sends to a request with the token. */
const RESPONSE = `${'0123456789'.repeat(4)}\trefs/heads/main\n`

/** The variables that make every runtime trust the CA of the sidecar; none names a proxy. */
function trustVariables(file: Stage['file']): Record<string, string> {
  const bundle = file('state/ca-bundle.pem')
  const names = RUNTIMES.flatMap(({ trust }) => (trust.kind === 'variables' ? trust.names : []))
  return {
    ...Object.fromEntries(names.map((name) => [name, bundle])),
    WGETRC: file('state/wgetrc'),
    JAVA_TOOL_OPTIONS: `-Djavax.net.ssl.trustStore=${file('state/truststore.p12')} -Djavax.net.ssl.trustStorePassword=changeit`,
  }
}

let stage: Stage
let directory: string
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'token-sidecar-programs-'))
  if (!CANNOT_RUN) stage = await setStage(DEPLOYMENTS[0])
}, SETUP_TIMEOUT_MS)
afterAll(() => {
  if (!CANNOT_RUN) stage.close()
  rmSync(directory, { recursive: true })
})

const isSkipped = (program: ProgramName): boolean => {
  const { isInstalled, isOptional = false } = PROGRAMS[program]
  return !isInstalled && (isOptional || MAY_SKIP)
}

test
  .skipIf(CANNOT_RUN)
  .for<ProgramSupport & { program: ProgramName }>(
    PROGRAM_SUPPORT.filter(({ program }) => !isSkipped(program)),
  )(
  '$program gets a token in transparent mode as the documentation says',
  async ({ program, fails = {} }) => {
    const { isGrpc = false, prepare } = PROGRAMS[program]
    const command = [...(await prepare(directory)), `https://${NAMED}/orders/7`]
    const { HOME = '' } = process.env
    const outcome = await stage.run(command, { HOME, ...trustVariables(stage.file) })
    const works = fails['transparent'] === undefined
    expect({
      succeeds: outcome.code === 0,
      out: outcome.stdout,
      err: works ? '' : outcome.stderr,
    }).toEqual({
      succeeds: works,
      out: works ? (isGrpc ? 'hello' : RESPONSE) : '',
      err: works ? '' : outcome.stderr,
    })
  },
)
