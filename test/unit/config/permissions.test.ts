import { expect, test } from 'vitest'
import { permissionWarnings } from '../../../src/config/permissions.ts'
import type { FileFacts } from '../../../src/config/read-file.ts'

/** Warnings about /etc/app/sidecar.yaml, with these modes instead of the usual ones. */
async function warningsWith(
  modes: Readonly<Record<string, number>>,
  kind: FileFacts['kind'] = 'file',
) {
  const warnings = await permissionWarnings('/etc/app/sidecar.yaml', async (path) => {
    const isFile = path === '/etc/app/sidecar.yaml'
    const mode = modes[path] ?? (isFile ? 0o644 : 0o755)
    return await Promise.resolve({ kind: isFile ? kind : 'directory', mode })
  })
  return warnings.map(({ message }) => message)
}

test('a configuration file that only its owner and group can change causes no warning', async () => {
  expect(await warningsWith({ '/etc/app/sidecar.yaml': 0o664 })).toEqual([])
})

test('a world-writable configuration file causes a warning', async () => {
  expect(await warningsWith({ '/etc/app/sidecar.yaml': 0o100666 })).toEqual([
    'every user of this machine can change the configuration file (mode 0666); "chmod o-w" takes that permission away',
  ])
})

test.for(['/etc/app', '/etc', '/'])(
  'the world-writable directory %s causes a warning',
  async (path) => {
    expect(await warningsWith({ [path]: 0o40777 })).toEqual([
      `every user of this machine can change the directory "${path}" of the configuration file (mode 0777); "chmod o-w" takes that permission away`,
    ])
  },
)

test('a world-writable directory with the sticky bit causes no warning', async () => {
  expect(await warningsWith({ '/etc': 0o1777 })).toEqual([])
})

test('a pipe as the configuration file causes no warning', async () => {
  expect(await warningsWith({ '/etc/app/sidecar.yaml': 0o666 }, 'other')).toEqual([])
})
