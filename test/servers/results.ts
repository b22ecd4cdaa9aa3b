/** What is tried with every client, in this order. */
export const STEPS = [
  'token',
  'renewal',
  'rejectedToken',
  'wrongProof',
  'rotation',
  'restart',
] as const

export type Step = (typeof STEPS)[number]

export type Outcome = {
  readonly verdict: 'passed' | 'failed' | 'notRun'
  readonly note?: string
}

type CaseResult = {
  readonly caseId: string
  /** The settings that the credential has beyond its method, as YAML in one line. */
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
      /** Else the API rejects the token by itself. */
      readonly isRevokedAtServer: boolean
      readonly cases: readonly CaseResult[]
      /** What the server does with a scope that the client does not have. */
      readonly unknownScope: string
      /** Who the token is for, after `audience` was asked for. */
      readonly audience: string
    }
)

export function hasFailed(result: ServerResult): boolean {
  return (
    'broken' in result ||
    ('cases' in result &&
      result.cases.some(({ outcomes }) =>
        STEPS.some((step) => outcomes[step].verdict === 'failed'),
      ))
  )
}
