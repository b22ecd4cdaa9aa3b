import { globSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { importsOf } from './helpers/source-imports.ts'

/**
 * Who may import whom; "type" in front allows types only. Reading down the list is reading the
 * architecture. A layer is a folder of src/, or a file right in it.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  errors: [],
  'node-version': [],
  version: ['package.json'],
  http: ['lib', 'errors'],
  config: ['lib', 'errors'],
  observe: ['lib', 'errors'],
  tokens: ['lib', 'errors', 'http', 'type observe'],
  store: ['lib', 'errors', 'tokens', 'type observe'],
  routing: ['lib', 'errors', 'http'],
  outbound: ['lib', 'errors', 'http'],
  certificates: ['lib', 'errors'],
  exchange: ['lib', 'errors', 'http', 'routing', 'tokens', 'type outbound', 'type observe'],
  inbound: ['lib', 'errors', 'http', 'exchange', 'type observe'],
  admin: ['lib', 'errors', 'http', 'type observe', 'tokens', 'exchange'],
  compose: [
    'lib',
    'errors',
    'version',
    'http',
    'config',
    'observe',
    'tokens',
    'store',
    'routing',
    'outbound',
    'certificates',
    'exchange',
    'inbound',
  ],
  app: [
    'lib',
    'errors',
    'version',
    'config',
    'observe',
    'tokens',
    'exchange',
    'inbound',
    'admin',
    'compose',
    'node-version',
  ],
  cli: [
    'app',
    'tokens',
    'store',
    'config',
    'errors',
    'lib',
    'compose',
    'type certificates',
    'routing',
    'observe',
    'version',
    // Only cli.ts, before it loads anything else.
    'node-version',
  ],
}

const FILES = globSync('src/**/*.ts').map((file) => file.replaceAll('\\', '/'))

test('there are files to check', () => {
  expect(FILES.length).toBeGreaterThan(50)
})

test.for(FILES)('%s belongs to a layer', (file) => {
  expect(Object.keys(MAY_IMPORT)).toContain(layerOf(file))
})

test.for(FILES)('%s imports only what its layer may', (file) => {
  expect(refusedImports(file, readFileSync(file, 'utf8'))).toEqual([])
})

const PLANTED: readonly { file: string; source: string; refused: string[] }[] = [
  {
    file: 'src/exchange/handler.ts',
    source: "import { createAdminServer } from '../admin/handler.ts'",
    refused: ['admin'],
  },
  {
    file: 'src/exchange/handler.ts',
    source: "import type { Config } from '../config/schema.ts'",
    refused: ['type config'],
  },
  {
    file: 'src/tokens/cached-token-source.ts',
    source: "import { createLog } from '../observe/logger.ts'",
    refused: ['observe'],
  },
  {
    file: 'src/tokens/cached-token-source.ts',
    source: "import type { Logger } from '../observe/logger.ts'",
    refused: [],
  },
  {
    file: 'src/tokens/cached-token-source.ts',
    source: "import { type Logger } from '../observe/logger.ts'",
    refused: ['observe'],
  },
  {
    file: 'src/lib/clock.ts',
    source: "import {\n  a,\n  type B, // it's here\n} from '../errors.ts'",
    refused: ['errors'],
  },
  { file: 'src/lib/clock.ts', source: "import '../errors.ts'", refused: ['errors'] },
  {
    file: 'src/lib/clock.ts',
    source: "export { FAILURES } from '../errors.ts'",
    refused: ['errors'],
  },
  {
    file: 'src/lib/clock.ts',
    source: "export type * from '../errors.ts'",
    refused: ['type errors'],
  },
  {
    file: 'src/lib/clock.ts',
    source: "type E = import('../errors.ts').FailureCode",
    refused: ['type errors'],
  },
  {
    file: 'src/lib/clock.ts',
    source: "const { VERSION } = await import('../version.ts')",
    refused: ['version'],
  },
  {
    file: 'src/observe/metrics.ts',
    source: "import p from '../../package.json' with { type: 'json' }",
    refused: ['package.json'],
  },
  {
    file: 'src/version.ts',
    source: "import p from '../package.json' with { type: 'json' }",
    refused: [],
  },
  {
    file: 'src/lib/clock.ts',
    source: "import { startServer } from '../../test/helpers/servers.ts'",
    refused: ['test'],
  },
  { file: 'src/app.ts', source: "import { main } from './cli/main.ts'", refused: ['cli'] },
  { file: 'src/lib/clock.ts', source: "import { once } from 'node:events'", refused: [] },
  { file: 'src/lib/clock.ts', source: "import { listen } from './listen.ts'", refused: [] },
]

test.for(PLANTED)('the check of $file with "$source" finds $refused', (planted) => {
  expect(refusedImports(planted.file, planted.source)).toEqual(planted.refused)
})

test('a file in a new folder is in no layer, and may import nothing', () => {
  expect(Object.keys(MAY_IMPORT)).not.toContain(layerOf('src/util/strings.ts'))
  const source = "import { a } from '../lib/clock.ts'"
  expect(refusedImports('src/util/strings.ts', source)).toEqual(['lib'])
})

function refusedImports(file: string, source: string): string[] {
  const own = layerOf(file)
  const allowed = new Set([own, ...(MAY_IMPORT[own] ?? [])])
  return importsOf(source)
    .filter(({ from }) => from.startsWith('.'))
    .map(({ from, isType }) => ({ layer: layerOf(posix.join(posix.dirname(file), from)), isType }))
    .filter(({ layer, isType }) => !allowed.has(layer) && !(isType && allowed.has(`type ${layer}`)))
    .map(({ layer, isType }) => (isType ? `type ${layer}` : layer))
}

/** The folder below src/, or the name of a file in it; outside of src/ what it is there. */
function layerOf(path: string): string {
  const [first = '', ...below] = path.split('/')
  const [name = ''] = first === 'src' ? below : [first]
  return name.replace(/\.ts$/, '')
}
