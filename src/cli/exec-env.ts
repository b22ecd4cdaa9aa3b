import { dirname, resolve } from 'node:path'
import { bundlePaths } from '../compose/interception-authority.ts'
import type { Config } from '../config/schema.ts'
import { EXIT, type Io } from './io.ts'
import { namedLoopbackHosts } from './named-hosts.ts'
import { printVariables, type VariableFormat } from './print-variables.ts'
import { programVariables, type TrustFiles } from './program-variables.ts'
import { programWarnings } from './program-warnings.ts'
import { readReadableConfig } from './read-config.ts'

export type ExecEnvOptions = { readonly file: string; readonly format: VariableFormat }

/** `exec --env`: prints the variables of `exec` for a sidecar that runs elsewhere with this configuration. */
export async function execEnv({ file, format }: ExecEnvOptions, io: Io): Promise<number> {
  const config = await readReadableConfig(file, io)
  if (config === undefined) return EXIT.configInvalid
  const proxyUrl = proxyUrlOf(config)
  if (proxyUrl === undefined) {
    io.err(
      'Cannot print variables: no listener has a TCP address, and programs cannot use a Unix socket as proxy\n',
    )
    return EXIT.failed
  }
  // An env file is for another machine or container, where the variables of this environment do not apply.
  const env = format === 'shell' ? io.env : {}
  const { intercept } = config
  const trust = intercept && trustFiles(intercept, file)
  for (const warning of programWarnings(config, env)) io.err(`warning: ${warning}\n`)
  if (intercept === undefined) io.err(`warning: ${NO_INTERCEPTION}\n`)
  else if (trust === undefined) io.err(`warning: ${NO_BUNDLE}\n`)
  const setup = { proxyUrl, proxiedLoopback: namedLoopbackHosts(config), trust }
  io.out(printVariables(programVariables(setup, env), format))
  if (trust !== undefined && trust.wgetrc === undefined) {
    io.out(`# For wget, add to ~/.wgetrc: ca_certificate = ${trust.pem}\n`)
  }
  return EXIT.ok
}

const NO_INTERCEPTION =
  '"intercept" is not set: requests to https URLs of the hosts of routes are rejected'
const NO_BUNDLE = '"intercept.bundle.pem" is not set: the variables for the CA are missing'

/** The bundles that the running sidecar writes. */
function trustFiles(
  intercept: NonNullable<Config['intercept']>,
  file: string,
): TrustFiles | undefined {
  const { pem, pkcs12, password, wgetrc } = bundlePaths(intercept, (path) =>
    resolve(dirname(file), path),
  )
  if (pem === undefined) return undefined
  return { pem, pkcs12: pkcs12 === undefined ? undefined : { path: pkcs12, password }, wgetrc }
}

/** The URL of the first proxy listener with a port, for programs on the same host. */
function proxyUrlOf({ listen }: Config): string | undefined {
  const urls = listen.flatMap(({ address, tls, mode }) => {
    if (address.kind === 'unix' || mode === 'transparent') return []
    const host = LOOPBACK_OF[address.host] ?? address.host
    const scheme = tls === undefined ? 'http' : 'https'
    return [`${scheme}://${host.includes(':') ? `[${host}]` : host}:${address.port}`]
  })
  return urls[0]
}

const LOOPBACK_OF: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
