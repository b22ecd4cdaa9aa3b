import { getSystemErrorMap } from 'node:util'

/** The reason of a failed file operation, as the system words it, without the path. */
export function fileProblem(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown error'
  // Not getSystemErrorMessage, which the Node versions lack that the program has to report as unsupported.
  return 'errno' in cause && typeof cause.errno === 'number'
    ? (getSystemErrorMap().get(cause.errno)?.[1] ?? cause.message)
    : cause.message
}
