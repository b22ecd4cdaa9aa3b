import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { configJsonSchema, settingsJsonSchema } from '../src/config/json-schema.ts'
import { dashboard } from './dashboard.ts'
import { withMetricTables } from './metrics-markdown.ts'
import { withRuntimeTables } from './runtimes-markdown.ts'
import { settingsTables } from './settings-markdown.ts'

export type GeneratedFile = {
  /** Relative to the root of the repository. */
  readonly path: string
  readonly text: string
}

/** The generated files; a test compares them with those in the repository. */
export function renderGenerated(): GeneratedFile[] {
  const schema = configJsonSchema()
  return [
    { path: 'config.schema.json', text: `${JSON.stringify(schema, undefined, 2)}\n` },
    { path: 'docs/settings.md', text: `${PREAMBLE}\n${settingsTables(settingsJsonSchema())}\n` },
    { path: METRICS, text: withMetricTables(readFileSync(join(TOP, METRICS), 'utf8')) },
    { path: RUNTIMES, text: withRuntimeTables(readFileSync(join(TOP, RUNTIMES), 'utf8')) },
    {
      path: 'deploy/grafana/token-sidecar.json',
      text: `${JSON.stringify(dashboard(), undefined, 2)}\n`,
    },
  ]
}

const TOP = join(import.meta.dirname, '..')
/** Only the tables of these files are generated. */
const METRICS = 'docs/metrics.md'
const RUNTIMES = 'docs/runtimes.md'

const PREAMBLE = `<!-- Made by "npm run generate" from src/config/schema.ts. Do not edit. -->

# Settings

All settings of the configuration file. It is one YAML file, \`token-sidecar.yaml\` unless
\`-c FILE\` or the environment variable \`TOKEN_SIDECAR_CONFIG\` names another. [config.example.yaml](../config.example.yaml)
is a commented example.

- **Unknown keys are errors**, and \`token-sidecar check\` reports every problem of the file at once, with
  its line and column.
- **Durations** are a number and \`ms\`, \`s\`, \`m\` or \`h\`: \`500ms\`, \`30s\`, \`1.5m\`, \`1h\`.
- **Sizes** are a number and \`B\`, \`KiB\`, \`MiB\` or \`GiB\`: \`512B\`, \`16KiB\`.
- **Environment variables** are expanded in any string: \`\${NAME}\` must be set, \`\${NAME:-default}\` need not be.
  \`$\${\` is a literal \`\${\`. They are read once, at start-up.
- **Defaults**: \`defaults.routes\` and \`defaults.credentials\` apply to all routes and all
  credentials. Settings of the route or credential take precedence. Maps are merged key by key, lists are replaced.
  \`auth\`, \`grant\` and \`provider\` are merged as well, unless \`method\`, \`type\` or \`name\` differs: then
  all of it is replaced. A secret (\`file\`, \`env\` or \`value\`) and \`tls.client\` are replaced as a whole, and
  one of \`issuer\`, \`tokenEndpoint\` and \`provider\` in a credential replaces all three. A default can be replaced
  but not removed: \`[]\` empties a list, but do not use a default for an optional setting that some routes or
  credentials must not have. A default that does not apply to a route, such as \`scopes\` with \`credential: none\`, is
  ignored there.
- **Anchors** (\`&name\`, \`*name\`) work anywhere, and top-level keys that start with \`x-\` are ignored, so that they
  can hold anchors. YAML 1.2 has no merge keys (\`<<\`).
- **Paths of files** are relative to the directory of the configuration file.
- **Editors** validate and complete the file with [config.schema.json](../config.schema.json), which
  \`token-sidecar schema\` also prints. This line at the top of the file selects it in common YAML plug-ins:
  \`# yaml-language-server: $schema=./config.schema.json\`. The schema rejects \`\${NAME}\` where it
  expects a duration, a size or a host; the sidecar accepts it.
`
