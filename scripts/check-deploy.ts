import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { manifestProblems } from '../test/helpers/manifests.ts'
import { RENDERED_FILE, renderChart } from './render-chart.ts'

/*
 * `npm run check:deploy`, before a release: what only the real Helm and a kubectl of our days can
 * tell. Debian has neither, so the tests read what they made instead.
 */

const faults: string[] = []

if (renderChart('helm') !== readFileSync(RENDERED_FILE, 'utf8')) {
  faults.push(`${RENDERED_FILE} is not what Helm makes; "node scripts/render-chart.ts" makes it so`)
}
for (const directory of ['base', 'overlays/jobs', 'overlays/complete', 'overlays/own-pod']) {
  const built = execFileSync('kubectl', ['kustomize', `deploy/kubernetes/${directory}`], {
    encoding: 'utf8',
  })
  faults.push(...manifestProblems(built).map((problem) => `${directory}: ${problem}`))
  // The name with the hash reaches the volume.
  const [name] = /token-sidecar-[a-z\d]{10}/.exec(built) ?? []
  if (built.split(`name: ${name}\n`).length !== 3) {
    faults.push(`${directory}: the volume does not name the ConfigMap that is made`)
  }
}

for (const fault of faults) process.stderr.write(`${fault}\n`)
process.exitCode = faults.length === 0 ? 0 : 1
