import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { manifestProblems } from '../test/helpers/manifests.ts'
import { renderChart, RENDERINGS } from './render-chart.ts'

/*
 * `npm run check:deploy`, before a release: checks that need Helm and a current kubectl. The tests read the
 * committed output instead, because Debian packages neither.
 */

const faults: string[] = []

for (const { file, values } of RENDERINGS) {
  if (renderChart('helm', values) !== readFileSync(file, 'utf8')) {
    faults.push(`${file} is out of date; run "node scripts/render-chart.ts"`)
  }
}
const OVERLAYS = ['jobs', 'complete', 'own-pod', 'transparent']
for (const directory of ['base', ...OVERLAYS.map((name) => `overlays/${name}`)]) {
  const built = execFileSync('kubectl', ['kustomize', `deploy/kubernetes/${directory}`], {
    encoding: 'utf8',
  })
  faults.push(...manifestProblems(built).map((problem) => `${directory}: ${problem}`))
  // The volume refers to the ConfigMap by its name with the hash.
  const [name] = /token-sidecar-[a-z\d]{10}/.exec(built) ?? []
  if (built.split(`name: ${name}\n`).length !== 3) {
    faults.push(`${directory}: the volume does not refer to the generated ConfigMap`)
  }
}

for (const fault of faults) process.stderr.write(`${fault}\n`)
process.exitCode = faults.length === 0 ? 0 : 1
