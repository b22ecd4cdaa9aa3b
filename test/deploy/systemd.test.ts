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

/** Every value that the unit has for a directive. */
function valuesOf(directive: string, unit = UNIT): string[] {
  return [...unit.matchAll(new RegExp(`^${directive}=(.*)$`, 'gm'))].map(([, value = '']) => value)
}

async function deployed() {
  const text = readFileSync('deploy/systemd/token-sidecar.yaml', 'utf8')
  return await loadDeployed(text, { CREDENTIALS_DIRECTORY: '/run/credentials' })
}

test('the sidecar takes its configuration, and it names the credential that the unit loads', async () => {
  const { warnings, files } = await deployed()
  expect(warnings).toEqual([])
  const names = valuesOf('LoadCredential').map((value) => value.split(':')[0])
  expect(files).toEqual(names.map((name) => `/run/credentials/${name}`))
})

test('running requests may finish before systemd kills the sidecar', async () => {
  const { config } = await deployed()
  const [seconds = '0s'] = valuesOf('TimeoutStopSec')
  expect(Number.parseInt(seconds, 10) * 1000).toBeGreaterThan(config.shutdown.deadline)
})

test('the unit reads the configuration where the image does, and starts Node the same way', () => {
  const { configFile } = readImage()
  expect(valuesOf('Environment')).toEqual([`TOKEN_SIDECAR_CONFIG=${configFile}`])
  const flags = SHIPPED_NODE_FLAGS.join(' ')
  expect(valuesOf('ExecStart')).toEqual([
    `/usr/bin/node ${flags} /usr/lib/token-sidecar/cli.js run`,
  ])
})

test('a wrong configuration is not started again and again', () => {
  expect(valuesOf('RestartPreventExitStatus')).toEqual(['2 3'])
})

test('V8 may translate JavaScript to machine code', () => {
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

/** The unit with a Node that this machine has, wherever it is. */
async function unitFor(text = UNIT): Promise<string> {
  const file = join(await temporaryDirectory(), 'token-sidecar.service')
  writeFileSync(file, text.replace('/usr/bin/node', process.execPath))
  return file
}

test.skipIf(canSkip)('systemd finds nothing wrong with the unit', async () => {
  expect(runAnalyze('verify', await unitFor())).toEqual({ status: 0, text: '' })
})

test.skipIf(canSkip)('systemd finds a directive that it does not know', async () => {
  const { text } = runAnalyze(
    'verify',
    await unitFor(UNIT.replace('NoNewPrivileges', 'NoNewRights')),
  )
  expect(text).toContain('NoNewRights')
})

test.skipIf(canSkip)('systemd rates the unit as well protected', async () => {
  const [, rating = ''] =
    /exposure level for \S+: (\d+\.\d)/.exec(
      runAnalyze('security', '--offline=true', '--no-pager', await unitFor()).text,
    ) ?? []
  expect(Number(rating)).toBeGreaterThan(0)
  expect(Number(rating)).toBeLessThan(1.5)
})
