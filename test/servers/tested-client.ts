import { join } from 'node:path'
import type { Authority } from '../helpers/certificates.ts'
import type { Case } from './authorization-server.ts'
import { type Client, createClient } from './clients.ts'
import type { Outcome, Step } from './results.ts'

/** A case that is being run: one client identifier with three sets of credentials. */
export type TestedClient = {
  readonly case: Case
  readonly directory: string
  readonly wrongDirectory: string
  readonly clients: { readonly first: Client; readonly second: Client; readonly wrong: Client }
  /** Its credentials are in `directory`. */
  current: Client
  readonly outcomes: Map<Step, Outcome>
}

export async function createTestedClient(
  each: Case,
  directory: string,
  authority: Authority,
  clusterIssuer: string,
): Promise<TestedClient> {
  const [first, second, wrong] = await Promise.all([
    createClient(each, authority, clusterIssuer),
    createClient(each, authority, clusterIssuer),
    createClient(each, authority, clusterIssuer),
  ])
  return {
    case: each,
    directory: join(directory, 'credentials', nameOf(each.id)),
    wrongDirectory: join(directory, 'wrong-credentials', nameOf(each.id)),
    clients: { first, second, wrong },
    current: first,
    outcomes: new Map(),
  }
}

export function credentialName({ case: { id } }: TestedClient): string {
  return nameOf(id)
}

function nameOf(id: string): string {
  return id.toLowerCase().replaceAll(/[^a-z_]+/g, '-')
}

/** Records the outcome of a step. A failed step does not prevent the following ones. */
export async function attempt(
  { outcomes }: TestedClient,
  step: Step,
  tryStep: () => Promise<{ note?: string }>,
): Promise<void> {
  if (outcomes.get(step)?.result === 'failed') return
  try {
    outcomes.set(step, { result: 'passed', ...(await tryStep()) })
  } catch (error) {
    outcomes.set(step, {
      result: 'failed',
      note: error instanceof Error ? error.message : String(error),
    })
  }
}

export function resultOf({ case: { id, auth, credential }, outcomes }: TestedClient) {
  const outcome = (step: Step): Outcome => outcomes.get(step) ?? { result: 'notRun' }
  const settings = Object.entries({
    ...(auth !== undefined && { auth }),
    ...credential,
  }).map(([key, value]) => `${key}: ${inline(value)}`)
  return {
    caseId: id,
    settings: settings.join(', '),
    outcomes: {
      token: outcome('token'),
      renewal: outcome('renewal'),
      rejectedToken: outcome('rejectedToken'),
      wrongCredentials: outcome('wrongCredentials'),
      rotation: outcome('rotation'),
      restart: outcome('restart'),
    },
  }
}

/** A value in YAML's flow style. */
function inline(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  const members = Object.entries(value).map(([key, each]) => `${key}: ${inline(each)}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}
