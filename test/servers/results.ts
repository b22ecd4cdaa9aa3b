/** The steps for every client, in order. */
export const STEPS = [
  'token',
  'renewal',
  'rejectedToken',
  'wrongCredentials',
  'rotation',
  'restart',
] as const

export type Step = (typeof STEPS)[number]

export type Outcome = {
  readonly result: 'passed' | 'failed' | 'notRun'
  readonly note?: string
}

type CaseResult = {
  readonly caseId: string
  /** Settings of the credential other than its method, as YAML on one line. */
  readonly settings: string
  readonly outcomes: Readonly<Record<Step, Outcome>>
}

export type ServerResult = {
  readonly name: string
  readonly title: string
} & (
  | { readonly skipped: string }
  | { readonly broken: string }
  | {
      readonly version: string
      readonly address: 'issuer' | 'tokenEndpoint'
      readonly validation: string
      /** Otherwise the API rejects the token without the server. */
      readonly isRevokedAtServer: boolean
      readonly cases: readonly CaseResult[]
      /** How the server responds to a scope that was not granted to the client. */
      readonly unknownScope: string
      /** The `aud` of a token for which `audience` was requested. */
      readonly audience: string
    }
)

export function hasFailed(result: ServerResult): boolean {
  return (
    'broken' in result ||
    ('cases' in result &&
      result.cases.some(({ outcomes }) => STEPS.some((step) => outcomes[step].result === 'failed')))
  )
}
