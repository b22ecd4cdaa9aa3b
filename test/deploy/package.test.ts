import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as z from 'zod'

const SBOM_FILE = 'dist/token-sidecar.cdx.json'

const sbom = z.object({
  bomFormat: z.literal('CycloneDX'),
  metadata: z.object({ component: z.object({ name: z.string(), version: z.string() }) }),
  components: z.array(z.object({ name: z.string(), version: z.string(), purl: z.string() })),
})

const manifest = z.object({
  version: z.string(),
  private: z.boolean().optional(),
  dependencies: z.record(z.string(), z.string()).optional(),
  devDependencies: z.record(z.string(), z.string()).optional(),
})

const SOURCE = manifest.parse(JSON.parse(readFileSync('package.json', 'utf8')))
const SBOM = sbom.parse(JSON.parse(readFileSync(SBOM_FILE, 'utf8')))

test('the SBOM lists exactly the libraries in the bundle', () => {
  const notices = readFileSync('THIRD-PARTY-NOTICES', 'utf8')
  const bundled = [...notices.matchAll(/^-{80}\n\n(\S+) (\S+) \(/gm)].map(
    ([, name, version]) => `${name} ${version}`,
  )
  expect(bundled).toContain(`undici ${SOURCE.dependencies?.['undici']}`)
  const listed = SBOM.components.map(({ name, version }) => `${name} ${version}`)
  expect(listed.toSorted()).toEqual(bundled.toSorted())
})

test('the SBOM describes this version', () => {
  expect(SBOM.metadata.component).toEqual({ name: 'token-sidecar', version: SOURCE.version })
})

test('the SBOM is reproducible', () => {
  expect(readFileSync(SBOM_FILE, 'utf8')).not.toMatch(/"(?:serialNumber|timestamp)"/)
})

test('"dependencies" in package.json are in the bundle', () => {
  const listed = new Set(SBOM.components.map(({ name }) => name))
  const names = Object.keys(SOURCE.dependencies ?? {})
  expect(names.filter((name) => !listed.has(name))).toEqual([])
})

test('"devDependencies" in package.json are not in the bundle', () => {
  const tools = new Set(Object.keys(SOURCE.devDependencies ?? {}))
  expect(tools.size).toBeGreaterThan(10)
  expect(SBOM.components.filter(({ name }) => tools.has(name))).toEqual([])
})

const tarballs = z.array(z.object({ files: z.array(z.object({ path: z.string() })) }))

test('the published package has the bundle and its SBOM, and installs nothing else', () => {
  execFileSync(process.execPath, ['scripts/package.ts'])
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', './dist/package'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const paths = tarballs
    .parse(JSON.parse(output))
    .flatMap(({ files }) => files.map(({ path }) => path))
  expect(paths.toSorted()).toEqual([
    'LICENSE',
    'README.md',
    'THIRD-PARTY-NOTICES',
    'config.example.yaml',
    'config.schema.json',
    'dist/cli.js',
    'dist/cli.js.map',
    SBOM_FILE,
    'package.json',
  ])
  const published = manifest.parse(JSON.parse(readFileSync('dist/package/package.json', 'utf8')))
  expect(published).toEqual({ version: SOURCE.version })
})

test('package.json with dependencies cannot be published by mistake', () => {
  expect(SOURCE.private).toBe(true)
})

test('the image contains the SBOM', () => {
  expect(readFileSync('Dockerfile', 'utf8')).toMatch(
    /^COPY --from=build .*\/build\/dist\/token-sidecar\.cdx\.json .*\.\/$/m,
  )
})

test('every file that the image is built from is in the Docker build context', () => {
  const copied = [
    ...readFileSync('Dockerfile', 'utf8').matchAll(/^COPY (?!--from)(.+) \S+$/gm),
  ].flatMap(([, sources = '']) => sources.split(' '))
  const sent = readFileSync('.dockerignore', 'utf8').split('\n')
  expect(copied.length).toBeGreaterThan(5)
  expect(copied.filter((file) => !sent.includes(`!${file}`) || !existsSync(file))).toEqual([])
})
