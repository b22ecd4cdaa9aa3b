import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SHIPPED_NODE_FLAGS } from '../../bench/contenders/shipped-node-flags.ts'
import { loadDeployed } from '../helpers/deployed-config.ts'
import { readImage } from '../helpers/shipped-image.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'

const FILE = 'deploy/systemd/token-sidecar.service'
const UNIT = readFileSync(FILE, 'utf8')

/** Every value of a directive in the unit. */
function valuesOf(directive: string, unit = UNIT): string[] {
  return [...unit.matchAll(new RegExp(`^${directive}=(.*)$`, 'gm'))].map(([, value = '']) => value)
}

async function deployed() {
  const text = readFileSync('deploy/systemd/token-sidecar.yaml', 'utf8')
  return await loadDeployed(text, { CREDENTIALS_DIRECTORY: '/run/credentials' })
}

test('the configuration is valid, and refers to the credential that the unit loads', async () => {
  const { warnings, files } = await deployed()
  expect(warnings).toEqual([])
  const names = valuesOf('LoadCredential').map((value) => value.split(':')[0])
  expect(files).toEqual(names.map((name) => `/run/credentials/${name}`))
})

test('TimeoutStopSec is longer than the shutdown deadline', async () => {
  const { config } = await deployed()
  const [seconds = '0s'] = valuesOf('TimeoutStopSec')
  expect(Number.parseInt(seconds, 10) * 1000).toBeGreaterThan(config.shutdown.deadline)
})

test('the unit has the configuration path and the Node options of the image', () => {
  const { configFile } = readImage()
  expect(valuesOf('Environment')).toEqual([`TOKEN_SIDECAR_CONFIG=${configFile}`])
  const flags = SHIPPED_NODE_FLAGS.join(' ')
  expect(valuesOf('ExecStart')).toEqual([
    `/usr/bin/node ${flags} /usr/lib/token-sidecar/cli.js run`,
  ])
})

test('the unit is not restarted after an invalid configuration', () => {
  expect(valuesOf('RestartPreventExitStatus')).toEqual(['2 3'])
})

test('V8 may compile JavaScript to machine code', () => {
  expect(valuesOf('MemoryDenyWriteExecute')).toEqual(['no'])
})

test.for([
  ['DynamicUser', 'yes'],
  ['NoNewPrivileges', 'yes'],
  ['CapabilityBoundingSet', ''],
  ['ProtectSystem', 'strict'],
  ['ProtectHome', 'yes'],
  ['PrivateTmp', 'yes'],
  ['PrivateDevices', 'yes'],
  ['RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6 AF_NETLINK'],
  ['SystemCallArchitectures', 'native'],
  ['LimitCORE', '0'],
] as const)('the unit says %s=%s', ([directive, value]) => {
  expect(valuesOf(directive)).toEqual([value])
})

test('the unit reloads on a signal to the sidecar itself', () => {
  expect(valuesOf('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID'])
})

const [analyze] = findPrograms('systemd-analyze')
const canSkip = analyze === undefined && MAY_SKIP

function runAnalyze(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(analyze ?? 'systemd-analyze', args, {
    encoding: 'utf8',
  })
  return { status, text: stdout + stderr }
}

/** The unit with the path of the running Node. */
async function unitFor(text = UNIT): Promise<string> {
  const file = join(await temporaryDirectory(), 'token-sidecar.service')
  writeFileSync(file, text.replace('/usr/bin/node', process.execPath))
  return file
}

test.skipIf(canSkip)('systemd-analyze verify reports no problem', async () => {
  expect(runAnalyze('verify', await unitFor())).toEqual({ status: 0, text: '' })
})

test.skipIf(canSkip)('systemd-analyze verify reports an unknown directive', async () => {
  const { text } = runAnalyze(
    'verify',
    await unitFor(UNIT.replace('NoNewPrivileges', 'NoNewRights')),
  )
  expect(text).toContain('NoNewRights')
})

test.skipIf(canSkip)('systemd-analyze security rates the unit as protected', async () => {
  const [, rating = ''] =
    /exposure level for \S+: (\d+\.\d)/.exec(
      runAnalyze('security', '--offline=true', '--no-pager', await unitFor()).text,
    ) ?? []
  expect(Number(rating)).toBeGreaterThan(0)
  expect(Number(rating)).toBeLessThan(1.5)
})
