import { expect, test } from 'vitest'
import { printVariables } from '../../../src/cli/print-variables.ts'
import { programVariables } from '../../../src/cli/program-variables.ts'

const PROXY_URL = 'http://127.0.0.1:8080'
const TRUST = {
  pem: '/run/ca/bundle.pem',
  pkcs12: { path: '/run/my ca/trust.p12', password: 'changeit' },
  wgetrc: '/run/ca/wgetrc',
}

test('proxy variables are set in both spellings', () => {
  expect(programVariables({ proxyUrl: PROXY_URL }, {})).toMatchObject({
    HTTP_PROXY: PROXY_URL,
    http_proxy: PROXY_URL,
    HTTPS_PROXY: PROXY_URL,
    https_proxy: PROXY_URL,
    grpc_proxy: PROXY_URL,
    NODE_USE_ENV_PROXY: '1',
    NO_PROXY: 'localhost,127.0.0.1,::1',
    no_proxy: 'localhost,127.0.0.1,::1',
  })
})

test('CA variables are set only if there is a CA', () => {
  const names = [
    'SSL_CERT_FILE',
    'CURL_CA_BUNDLE',
    'GIT_SSL_CAINFO',
    'REQUESTS_CA_BUNDLE',
    'NODE_EXTRA_CA_CERTS',
    'npm_config_cafile',
  ]
  const without = programVariables({ proxyUrl: PROXY_URL }, {})
  const withCa = programVariables({ proxyUrl: PROXY_URL, trust: TRUST }, {})
  for (const name of names) {
    expect(without).not.toHaveProperty(name)
    expect(withCa).toHaveProperty(name, TRUST.pem)
  }
  expect(without).not.toHaveProperty('WGETRC')
  expect(withCa).toHaveProperty('WGETRC', TRUST.wgetrc)
})

test('an existing NO_PROXY is kept, in both spellings', () => {
  const env = { NO_PROXY: 'a.test', no_proxy: 'b.test, a.test' }
  expect(programVariables({ proxyUrl: PROXY_URL }, env)).toMatchObject({
    NO_PROXY: 'b.test,a.test',
    no_proxy: 'b.test,a.test',
  })
})

test('a loopback name that a route names is not excluded from the proxy', () => {
  const setup = { proxyUrl: PROXY_URL, proxiedLoopback: ['localhost'] }
  expect(programVariables(setup, {})).toMatchObject({ NO_PROXY: '127.0.0.1,::1' })
})

test('options for the JVM follow those that are set already', () => {
  const env = { JAVA_TOOL_OPTIONS: '-Xmx64m', NO_PROXY: '.internal' }
  const setup = { proxyUrl: 'http://[::1]:8080', trust: TRUST }
  expect(programVariables(setup, env)['JAVA_TOOL_OPTIONS']).toBe(
    [
      '-Xmx64m',
      '-Dhttp.proxyHost=::1 -Dhttp.proxyPort=8080',
      '-Dhttps.proxyHost=::1 -Dhttps.proxyPort=8080',
      '-Dhttp.nonProxyHosts=*.internal',
      '"-Djavax.net.ssl.trustStore=/run/my ca/trust.p12"',
      '-Djavax.net.ssl.trustStorePassword=changeit',
      '-Djavax.net.ssl.trustStoreType=PKCS12',
    ].join(' '),
  )
})

test.for([
  ['plain/value-1', 'export A=plain/value-1\n', 'A=plain/value-1\n'],
  ['-Da=b|c -Dd=*', "export A='-Da=b|c -Dd=*'\n", 'A=-Da=b|c -Dd=*\n'],
  ["it's", String.raw`export A='it'\''s'` + '\n', 'A="it\'s"\n'],
  ['$HOME "x"', `export A='$HOME "x"'\n`, `A='$HOME "x"'\n`],
  [`'$a"`, String.raw`export A=''\''$a"'` + '\n', String.raw`A="'\$a\""` + '\n'],
  ['', "export A=''\n", 'A=\n'],
] as const)('the value %s is quoted where it has to be', ([value, shell, dotenv]) => {
  expect(printVariables({ A: value }, 'shell')).toBe(shell)
  expect(printVariables({ A: value }, 'dotenv')).toBe(dotenv)
})
