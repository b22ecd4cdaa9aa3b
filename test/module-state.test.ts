import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** What CONTRIBUTING allows: a limit or a buffer of a resource that a process has once, and facts about Node's objects. */
const STATE: Readonly<Record<string, readonly string[]>> = {
  'src/config/read-file.ts': ['let overdue = 0'],
  'src/inbound/abort-reason.ts': ['const reasons = new WeakMap'],
  'src/inbound/linger.ts': ['const lingering = new WeakSet'],
  'src/lib/bounded-writer.ts': ['const REFERENCED: Socket[] = []'],
  'src/lib/detach-after-write.ts': ['const shared = new WeakSet'],
  'src/outbound/connector.ts': ['const READ_BUFFER = Buffer.allocUnsafe'],
}

/** Files outside of `cli/` that read or change a property of the process. */
const PROCESS: Readonly<Record<string, readonly string[]>> = {
  // The mode of a Unix socket has no parameter; it is reset before anything else runs.
  'src/lib/listen.ts': ['process.umask', 'process.umask'],
}

const MODULE_STATE =
  /^(?:export )?(?:let .*|const \w+(?:: [^=]+)? = (?:new Weak\w+|Buffer\.allocUnsafe|\[\]|\{\}|new (?:Map|Set)(?:<.*>)?\(\)).*)/gm
const PROCESS_STATE =
  /\bprocess\.(?:on|once|off|env|argv|exit|exitCode|umask|chdir|emitWarning|title)\b|setFlagsFromString|globalThis\.\w+ =|defaultMaxListeners/g

const FILES = globSync('src/**/*.ts')
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => !file.startsWith('src/admin/page/'))

test.for(FILES)('%s has no state in its module but what CONTRIBUTING allows', (file) => {
  const found = [...readFileSync(file, 'utf8').matchAll(MODULE_STATE)].map(([line]) => line)
  const allowed = STATE[file] ?? []
  expect(found.filter((line) => !allowed.some((each) => line.startsWith(each)))).toEqual([])
})

test.for(FILES.filter((file) => !/^src\/cli[./]/.test(file)))(
  '%s leaves the process alone',
  (file) => {
    const found = [...readFileSync(file, 'utf8').matchAll(PROCESS_STATE)].map(([match]) => match)
    expect(found).toEqual(PROCESS[file] ?? [])
  },
)
