import { execFile } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { ListenAddress } from '../../config/listen-address.ts'
import { unreadableReason } from '../../config/read-file.ts'
import type { Config } from '../../config/schema.ts'
import { exec } from '../exec.ts'
import { EXIT, type Io } from '../io.ts'
import { createPaint } from '../paint.ts'
import { printJson } from '../print-json.ts'
import { readReadableConfig } from '../read-config.ts'
import { requestAdmin } from '../request-admin.ts'
import { applicationFacts } from './application-facts.ts'
import { readCaCertificates } from './ca-certificates.ts'
import { configurationFacts } from './configuration-facts.ts'
import { diagnose } from './diagnose.ts'
import type { ApplicationFacts, DoctorFacts, DoctorFinding, NetworkFacts } from './facts.ts'
import { formatFindings } from './format-findings.ts'
import { parseEnvFile, parseProcessEnvironment } from './read-variables.ts'
import { sidecarFacts } from './sidecar-facts.ts'

export type DoctorOptions = {
  readonly file: string
  /** Run with a sidecar of its own; with `envFile`, only its runtime is recognised. */
  readonly command: readonly string[]
  readonly envFile: string | undefined
  readonly pid: number | undefined
  readonly json: boolean
}

/** `doctor`: explains why requests of an application do not arrive, or get no token. */
export async function doctor(options: DoctorOptions, io: Io): Promise<number> {
  const { file, command, envFile, pid, json } = options
  const config = await readReadableConfig(file, io)
  if (config === undefined) return EXIT.configInvalid
  const facts =
    command.length > 0 && envFile === undefined && pid === undefined
      ? await factsOfCommand(options, io)
      : await factsOfDeployment(config, options, io)
  if (facts === undefined) return EXIT.failed
  const findings = diagnose(facts)
  if (json) printJson(reportOf(file, facts, findings), io)
  else io.out(formatFindings(facts, findings, createPaint(io.isTerminal, io)))
  return findings.length === 0 ? EXIT.ok : EXIT.failed
}

/** The output of `doctor --json`, documented in docs/command-line.md. */
function reportOf(file: string, { sidecar }: DoctorFacts, findings: readonly DoctorFinding[]) {
  return {
    file,
    findings,
    sidecar:
      'fault' in sidecar
        ? null
        : { ready: sidecar.ready, requests: sidecar.requests, interception: sidecar.interception },
  }
}

/** Runs the command with a sidecar of its own, and reads what that sidecar has seen. */
async function factsOfCommand(
  { file, command }: DoctorOptions,
  io: Io,
): Promise<DoctorFacts | undefined> {
  let facts: DoctorFacts | undefined
  await exec(
    {
      file,
      command,
      logFile: undefined,
      readyTimeoutMs: READY_TIMEOUT_MS,
      async observe({ app, config, env }) {
        facts = {
          configuration: {
            ...configurationFacts(config),
            proxyPorts: [portOf(app.proxyUrl)],
            adminPort: portOf(app.adminUrl),
          },
          application: await applicationFacts({
            env,
            command,
            rootDirectory: '',
            caCertificates: await readCaCertificates(config, file),
          }),
          sidecar: await readSidecar({
            kind: 'tcp',
            host: new URL(app.adminUrl).hostname,
            port: portOf(app.adminUrl),
          }),
          isComplete: true,
          network: { addresses: new Map(), nftables: undefined },
        }
      },
    },
    io,
  )
  return facts
}

const READY_TIMEOUT_MS = 30_000

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** Reads the environment of an application, and what the running sidecar has seen. */
async function factsOfDeployment(
  config: Config,
  options: DoctorOptions,
  io: Io,
): Promise<DoctorFacts | undefined> {
  const caCertificates = await readCaCertificates(config, options.file)
  const application = await readApplication(options, caCertificates)
  if (application !== undefined && 'fault' in application) {
    io.err(`${application.fault}\n`)
    return undefined
  }
  return {
    configuration: configurationFacts(config),
    application,
    sidecar: await readSidecar(config.admin),
    isComplete: false,
    network: await readNetwork(configurationFacts(config)),
  }
}

async function readApplication(
  { envFile, pid, command }: DoctorOptions,
  caCertificates: string | undefined,
): Promise<ApplicationFacts | { readonly fault: string } | undefined> {
  try {
    if (pid !== undefined) {
      const arguments_ = await readFile(`/proc/${pid}/cmdline`, 'utf8')
      return await applicationFacts({
        env: parseProcessEnvironment(await readFile(`/proc/${pid}/environ`, 'utf8')),
        command: arguments_.split('\0').filter((part) => part !== ''),
        rootDirectory: `/proc/${pid}/root`,
        caCertificates,
      })
    }
    if (envFile === undefined) return undefined
    return await applicationFacts({
      env: parseEnvFile(await readFile(envFile, 'utf8')),
      command,
      rootDirectory: '',
      caCertificates,
    })
  } catch (cause) {
    const subject = pid === undefined ? `the env file "${envFile}"` : `process ${pid}`
    return { fault: `Cannot read ${subject}: ${unreadableReason(cause)}` }
  }
}

/** With hundreds of routes, these pages are long. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024

async function readSidecar(admin: ListenAddress): Promise<DoctorFacts['sidecar']> {
  const status = await requestAdmin(admin, '/status', MAX_PAGE_BYTES)
  if ('fault' in status) return { fault: status.fault }
  const metrics = await requestAdmin(admin, '/metrics', MAX_PAGE_BYTES)
  if ('fault' in metrics) return { fault: metrics.fault }
  return (
    sidecarFacts(status.body, metrics.body) ?? { fault: 'another program listens on its address' }
  )
}

async function readNetwork({
  transparent,
  hosts,
}: DoctorFacts['configuration']): Promise<NetworkFacts> {
  if (transparent.length === 0) return { addresses: new Map(), nftables: undefined }
  const named = hosts.filter((host) => !host.startsWith('*.'))
  const answers = named.map(async (host) => [host, await resolve(host)] as const)
  return { addresses: new Map(await Promise.all(answers)), nftables: await readNftables() }
}

async function resolve(
  host: string,
): Promise<{ readonly addresses: readonly string[] } | { readonly fault: string }> {
  try {
    const found = await lookup(host.replace(/:\d+$/, ''), { all: true })
    return { addresses: found.map(({ address }) => address) }
  } catch (cause) {
    return { fault: cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown' }
  }
}

const NFT_TIMEOUT_MS = 2_000

/** Needs CAP_NET_ADMIN; undefined without it, or without nftables. */
async function readNftables(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('nft', ['list', 'ruleset'], {
      timeout: NFT_TIMEOUT_MS,
    })
    return stdout
  } catch {
    return undefined
  }
}
