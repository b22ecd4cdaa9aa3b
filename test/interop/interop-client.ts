import { execFile } from 'node:child_process'

export type Target = {
  readonly port: number
  /** The CA certificate of the server; undefined without TLS. */
  readonly caFile: string | undefined
}

/** An implementation of the interop client (grpc/grpc, doc/interop-test-descriptions.md). */
export type InteropClient = {
  readonly name: string
  readonly cases: readonly string[]
  /** Runs a case: "ok", or the error. */
  readonly run: (name: string, target: Target) => Promise<string>
}

const CASE_DEADLINE_MS = 90_000

/** The outcome of a program that exits with 0 if the case passes: "ok", or its last line on standard error. */
export async function outcomeOf(program: string, args: readonly string[]): Promise<string> {
  return await new Promise((resolve) => {
    execFile(program, args, { timeout: CASE_DEADLINE_MS }, (error, _stdout, stderr) => {
      if (error === null) resolve('ok')
      else resolve(stderr.trim().split('\n').at(-1) ?? error.message)
    })
  })
}
