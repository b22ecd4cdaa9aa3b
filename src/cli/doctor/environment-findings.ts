import { bypassedHosts } from '../no-proxy.ts'
import { existingNoProxy } from '../program-variables.ts'
import type { ProxySetting, Runtime } from '../runtimes.ts'
import type { ApplicationFacts, ConfigurationFacts, DoctorFinding } from './facts.ts'
import { parseSystemProperties } from './read-variables.ts'

/** What in the environment of an application keeps its requests from the sidecar, for each runtime that it may be. */
export function environmentFindings(
  application: ApplicationFacts,
  configuration: ConfigurationFacts,
): DoctorFinding[] {
  const { proxyPorts, transparent, intercepts } = configuration
  const usesProxy = proxyPorts.length > 0 && transparent.length === 0
  return application.runtimes.flatMap((runtime) => [
    ...(usesProxy && !callsBaseUrl(application, configuration)
      ? proxyFindings(runtime, application, configuration)
      : []),
    ...(intercepts ? trustFindings(runtime, application) : []),
  ])
}

/** An application that calls the base URL of the sidecar has it in its environment. */
function callsBaseUrl({ env }: ApplicationFacts, { proxyPorts }: ConfigurationFacts): boolean {
  return Object.entries(env).some(
    ([name, value = '']) =>
      !/proxy|^JAVA_TOOL_OPTIONS$|^TOKEN_SIDECAR_/i.test(name) &&
      proxyPorts.some((port) => new RegExp(`^https?://[^/]+:${port}(?:/|$)`).test(value)),
  )
}

function proxyFindings(
  runtime: Runtime,
  { env }: ApplicationFacts,
  configuration: ConfigurationFacts,
): DoctorFinding[] {
  const proxy = proxyOf(runtime.proxy, env)
  if ('ignored' in proxy) {
    const { ignored, fix } = proxy
    return [finding('proxy_ignored', runtime, ignored, fix(exampleUrl(configuration)))]
  }
  return [
    ...portFindings(runtime, proxy.port, configuration),
    ...bypassedHosts(noProxyOf(runtime, env), configuration.hosts).map(({ host, entry }) => ({
      ...finding(
        'no_proxy',
        runtime,
        `NO_PROXY contains "${entry}": requests to ${host} bypass the proxy`,
        `Remove "${entry}" from ${runtime.proxy.kind === 'jvm' ? 'http.nonProxyHosts' : 'NO_PROXY and no_proxy'}, or list the other hosts one by one.`,
      ),
      host,
    })),
  ]
}

function exampleUrl({ proxyPorts }: ConfigurationFacts): string {
  return `http://127.0.0.1:${proxyPorts[0] ?? 8080}`
}

type ConfiguredProxy =
  | { readonly port: number }
  | { readonly ignored: string; readonly fix: (url: string) => string }

function proxyOf(setting: ProxySetting, env: ApplicationFacts['env']): ConfiguredProxy {
  switch (setting.kind) {
    case 'none': {
      return {
        ignored: 'it uses no proxy, whatever the environment says',
        fix: () => `Use ${setting.instead}.`,
      }
    }
    case 'jvm': {
      const properties = parseSystemProperties(env['JAVA_TOOL_OPTIONS'] ?? '')
      return properties['https.proxyHost'] === undefined
        ? {
            ignored: 'no system property names the proxy, and the JVM ignores HTTPS_PROXY',
            fix(url) {
              const { hostname, port } = new URL(url)
              return `Add -Dhttps.proxyHost=${hostname} -Dhttps.proxyPort=${port} to JAVA_TOOL_OPTIONS.`
            },
          }
        : { port: Number(properties['https.proxyPort'] ?? 443) }
    }
    case 'variables': {
      const { names, enabledBy } = setting
      const value = names.map((name) => env[name] ?? '').find((text) => text !== '')
      if (value === undefined) {
        return {
          ignored: `no variable names the proxy (${names.join(', ')})`,
          fix: (url) =>
            `Set ${[...names.slice(0, 2), ...(enabledBy === undefined ? [] : [enabledBy])]
              .map((name) => `${name}=${name === enabledBy ? '1' : url}`)
              .join(' ')}.`,
        }
      }
      if (enabledBy !== undefined && env[enabledBy] !== '1') {
        return {
          ignored: `it ignores proxy variables without ${enabledBy}=1`,
          fix: () => `Set ${enabledBy}=1.`,
        }
      }
      return { port: portOf(value) }
    }
  }
}

/** NaN if it is not a URL. */
function portOf(proxy: string): number {
  const url = URL.parse(proxy.includes('://') ? proxy : `http://${proxy}`)
  if (url === null) return Number.NaN
  return Number(url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port)
}

function portFindings(
  runtime: Runtime,
  port: number,
  configuration: ConfigurationFacts,
): DoctorFinding[] {
  const { proxyPorts, adminPort } = configuration
  if (proxyPorts.includes(port)) return []
  const actual = Number.isNaN(port)
    ? 'the URL of the proxy is not valid'
    : port === adminPort
      ? `the proxy is set to port ${port}, the admin listener`
      : `the proxy is set to port ${port}, where the sidecar does not listen`
  return [finding('wrong_port', runtime, actual, `Set the proxy to ${exampleUrl(configuration)}.`)]
}

function noProxyOf({ proxy }: Runtime, env: ApplicationFacts['env']): string {
  if (proxy.kind === 'jvm') {
    const patterns = parseSystemProperties(env['JAVA_TOOL_OPTIONS'] ?? '')['http.nonProxyHosts']
    return (patterns ?? '').replaceAll('|', ',')
  }
  const isGrpc = proxy.kind === 'variables' && proxy.names.includes('grpc_proxy')
  return (isGrpc ? env['no_grpc_proxy'] : undefined) ?? existingNoProxy(env)
}

function trustFindings(runtime: Runtime, { env, trust }: ApplicationFacts): DoctorFinding[] {
  const untrusted = (message: string, fix: string): DoctorFinding[] => [
    finding('ca_not_trusted', runtime, message, fix),
  ]
  if (runtime.hasOwnRoots !== true && trust.get(SYSTEM_ROOTS) === 'trusted') return []
  const setting = runtime.trust
  switch (setting.kind) {
    case 'none': {
      return untrusted(
        'no variable makes it trust the CA of the sidecar',
        `Use ${setting.instead}.`,
      )
    }
    case 'jvm': {
      const properties = parseSystemProperties(env['JAVA_TOOL_OPTIONS'] ?? '')
      const fix =
        'Add -Djavax.net.ssl.trustStore=FILE -Djavax.net.ssl.trustStorePassword=PASSWORD to JAVA_TOOL_OPTIONS.'
      const store = properties['javax.net.ssl.trustStore']
      if (store === undefined) return untrusted('no system property names the truststore', fix)
      if (properties['javax.net.ssl.trustStorePassword'] === undefined) {
        return untrusted('without its password, the truststore appears to be empty', fix)
      }
      return fileFindings(store, 'javax.net.ssl.trustStore')
    }
    case 'wgetrc': {
      const { WGETRC: file } = env
      return file === undefined
        ? untrusted(
            'it reads the CA from a file only, and WGETRC is not set',
            'Write "ca_certificate = FILE" into a file, and set WGETRC to its path.',
          )
        : fileFindings(file, 'WGETRC')
    }
    case 'variables': {
      const name = setting.names.find((candidate) => (env[candidate] ?? '') !== '')
      return name === undefined
        ? untrusted(
            `no variable names a CA (${setting.names.join(', ')})`,
            `Set ${setting.names[0]} to the bundle of the sidecar.`,
          )
        : fileFindings(env[name] ?? '', name)
    }
  }

  function fileFindings(file: string, source: string): DoctorFinding[] {
    const state = trust.get(file)
    if (state === undefined || state === 'trusted') return []
    return untrusted(
      state === 'other'
        ? `${source} names "${file}", which does not contain the CA of the sidecar`
        : `${source} names "${file}", which cannot be read`,
      `Set ${source} to the bundle of the sidecar.`,
    )
  }
}

/** The key of the certificates of the system in `ApplicationFacts.trust`. */
export const SYSTEM_ROOTS = ''

function finding(
  code: DoctorFinding['code'],
  { name }: Runtime,
  message: string,
  fix: string,
): DoctorFinding {
  return { code, host: null, runtime: name, message, fix }
}
