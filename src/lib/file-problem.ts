import { getSystemErrorMessage } from 'node:util'

/** The reason of a failed file operation, as the system words it, without the path. */
export function fileProblem(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown error'
  return 'errno' in cause && typeof cause.errno === 'number'
    ? getSystemErrorMessage(cause.errno)
    : cause.message
}
