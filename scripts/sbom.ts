import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'

/** Run by `npm run build`: writes the CycloneDX SBOM of `dist/cli.js` next to it. */
const TOP = join(import.meta.dirname, '..')
const BUNDLE = join(TOP, 'dist/cli.js')
const SBOM = join(TOP, 'dist/token-sidecar.cdx.json')

const manifest = z.object({ name: z.string(), version: z.string() })
const sourceMap = z.object({ sources: z.array(z.string()) })
const cycloneDx = z.looseObject({
  metadata: z.looseObject({ component: z.looseObject({}) }),
  components: z.array(z.looseObject({ 'bom-ref': z.string() })),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
})

function readManifest(directory: string): z.infer<typeof manifest> {
  return manifest.parse(JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')))
}

function idOf({ name, version }: z.infer<typeof manifest>): string {
  return `${name}@${version}`
}

/** The packages that the bundle contains, each as `name@version`. */
function bundledPackages(): Set<string> {
  const { sources } = sourceMap.parse(JSON.parse(readFileSync(`${BUNDLE}.map`, 'utf8')))
  const directories = sources.flatMap(
    (source) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(source) ?? [],
  )
  return new Set(
    [...new Set(directories)].map((directory) => idOf(readManifest(join(TOP, 'dist', directory)))),
  )
}

/**
 * The complete SBOM of npm, reduced to the packages in the bundle: `--omit dev` also omits a library that a
 * development tool depends on (npm/cli#7909). It has no serial number and no timestamp, so that builds are
 * reproducible.
 */
function renderSbom(): string {
  const options = ['--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only']
  const complete = execFileSync('npm', ['sbom', ...options], { cwd: TOP, encoding: 'utf8' })
  const {
    serialNumber: _,
    metadata,
    components,
    dependencies,
    ...rest
  } = cycloneDx.parse(JSON.parse(complete))
  const { timestamp: __, ...reproducible } = metadata
  const bundled = bundledPackages()
  const own = readManifest(TOP)
  const included = components.filter((component) => bundled.has(component['bom-ref']))
  const missing = bundled.difference(new Set(included.map((component) => component['bom-ref'])))
  if (missing.size > 0)
    throw new Error(`Cannot write the SBOM: package-lock.json has no ${[...missing].join(', ')}`)
  const sbom = {
    ...rest,
    metadata: {
      ...reproducible,
      lifecycles: [{ phase: 'build' }],
      // npm uses the name of the directory.
      component: { ...metadata.component, name: own.name },
    },
    components: included,
    dependencies: dependencies
      .filter(({ ref }) => ref === idOf(own) || bundled.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((id) => bundled.has(id)) })),
  }
  return `${JSON.stringify(sbom, undefined, 2)}\n`
}

writeFileSync(SBOM, renderSbom())
