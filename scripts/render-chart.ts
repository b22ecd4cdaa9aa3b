import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const CHARTS = 'deploy/helm'

/** The example chart as rendered by Helm with some values; tests read it, so that they do not need Helm. */
export const RENDERINGS = [
  { file: 'test/fixtures/helm/example.yaml', values: 'values.yaml' },
  { file: 'test/fixtures/helm/transparent.yaml', values: 'values-transparent.yaml' },
] as const

/** A digest of the charts, which shows whether the rendered file is up to date. */
export function chartsDigest(): string {
  const hash = createHash('sha256')
  for (const file of globSync(
    `${CHARTS}/{example,token-sidecar}/{*.yaml,templates/*}`,
  ).toSorted()) {
    hash.update(`${file}\n${readFileSync(file, 'utf8')}`)
  }
  return hash.digest('hex')
}

/** Renders a copy, because Helm packages the library chart into the chart that uses it. */
export function renderChart(helm: string, values: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'token-sidecar-charts-'))
  try {
    cpSync(CHARTS, directory, { recursive: true })
    const run = (...args: string[]): string =>
      execFileSync(helm, args, {
        cwd: directory,
        encoding: 'utf8',
        env: { ...process.env, HELM_CACHE_HOME: directory, HELM_CONFIG_HOME: directory },
      })
    run('dependency', 'update', 'example')
    const file = join('example', values)
    const version = ['--kube-version', '1.29.0']
    const manifests = run('template', 'billing', 'example', ...version, '--values', file)
    return `# Made by "node scripts/render-chart.ts", which needs Helm. Do not edit.\n# charts: ${chartsDigest()}\n${manifests}`
  } finally {
    rmSync(directory, { recursive: true })
  }
}

if (import.meta.main) {
  for (const { file, values } of RENDERINGS) writeFileSync(file, renderChart('helm', values))
}
