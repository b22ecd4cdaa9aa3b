import type { GrpcResults } from './grpc-cases.ts'
import type { H2specResults } from './h2spec.ts'

/** A Markdown table for each client, with a column for each path. */
export function grpcTables(results: readonly GrpcResults[]): string {
  return [...Map.groupBy(results, ({ client }) => client)]
    .map(([client, paths]) => `${client}:\n\n${grpcTable(paths)}`)
    .join('\n\n')
}

function grpcTable(results: readonly GrpcResults[]): string {
  const cases = [...(results[0]?.outcomes.keys() ?? [])]
  return table(
    ['Case', ...results.map(({ path }) => path)],
    cases.map((name) => [
      `\`${name}\``,
      ...results.map(({ outcomes }) => (outcomes.get(name) === 'ok' ? 'ok' : 'failed')),
    ]),
  )
}

export function h2specTable(results: readonly H2specResults[]): string {
  return table(
    ['Server', 'Passed', 'Skipped', 'Failed'],
    results.map(({ server, passed, skipped, failed }) => [
      server,
      String(passed),
      String(skipped),
      String(failed.length),
    ]),
  )
}

/**
 * The listener serves HTTP/1.1 as well, and responds to anything but the preface with an HTTP/1.1 400, where
 * the case expects GOAWAY or a closed connection.
 */
const EXPECTED: ReadonlySet<string> = new Set(['http2/3.5: Sends invalid connection preface'])

/** The cases with another outcome than on the direct path, and those that fail only on the sidecar. */
export function differences(
  grpc: readonly GrpcResults[],
  h2spec: readonly H2specResults[],
): readonly string[] {
  const inCases = grpc.flatMap(({ client, path, outcomes }) => {
    const direct = grpc.find((each) => each.client === client)
    return [...outcomes]
      .filter(([name, outcome]) => (outcome === 'ok') !== (direct?.outcomes.get(name) === 'ok'))
      .map(([name, outcome]) => `${client}: ${name}, ${path}: ${outcome}`)
  })
  const inSpec = h2spec
    .filter(({ server }) => server.startsWith('token-sidecar'))
    .flatMap(({ server, failed }) => {
      const bare = h2spec.find(
        (each) => each.server === server.replace('token-sidecar', 'node:http2'),
      )
      return failed
        .filter((name) => !bare?.failed.includes(name) && !EXPECTED.has(name))
        .map((name) => `h2spec, ${server}: ${name}`)
    })
  return [...inCases, ...inSpec]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}
