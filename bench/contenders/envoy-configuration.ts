import { CLIENT } from '../stage/authorization-server.ts'
import type { Setting } from './contender.ts'
import { routePrefixes } from './route-paths.ts'

const EXTENSIONS = 'type.googleapis.com/envoy.extensions'
const SECRET = 'client-secret'
/** Above the concurrency of any case; with the default of 1024, the circuit breakers would open. */
const LIMIT = 100_000

/** HTTP/2 with prior knowledge. */
const HTTP2_UPSTREAM = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: { http2_protocol_options: {} },
  },
}

export function envoyConfiguration(setting: Setting, port: number): object {
  const { upstream, upstreamTls, authorityFile, tokenEndpoint, routes, http2 } = setting
  return {
    static_resources: {
      secrets: [{ name: SECRET, generic_secret: { secret: { inline_string: CLIENT.secret } } }],
      listeners: [
        {
          name: 'application',
          address: addressOf(port),
          filter_chains: [
            {
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
                    stat_prefix: 'application',
                    codec_type: http2 === 'both' ? 'AUTO' : 'HTTP1',
                    route_config: {
                      virtual_hosts: [
                        {
                          name: 'all',
                          domains: ['*'],
                          routes: routePrefixes(routes).map((prefix) => ({
                            match: { prefix: `${prefix}/` },
                            route: { cluster: 'upstream', timeout: '60s' },
                          })),
                        },
                      ],
                    },
                    http_filters: [injector(tokenEndpoint), router()],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          ...cluster('upstream', upstream.port),
          ...(http2 !== 'neither' && { typed_extension_protocol_options: HTTP2_UPSTREAM }),
          ...(upstreamTls && { transport_socket: tls(authorityFile) }),
        },
        cluster('authorization-server', Number(new URL(tokenEndpoint).port)),
      ],
    },
  }
}

function injector(tokenEndpoint: string): object {
  return {
    name: 'envoy.filters.http.credential_injector',
    typed_config: {
      '@type': `${EXTENSIONS}.filters.http.credential_injector.v3.CredentialInjector`,
      overwrite: true,
      credential: {
        name: 'envoy.http.injected_credentials.oauth2',
        typed_config: {
          '@type': `${EXTENSIONS}.http.injected_credentials.oauth2.v3.OAuth2`,
          token_endpoint: { cluster: 'authorization-server', timeout: '5s', uri: tokenEndpoint },
          scopes: [CLIENT.scope],
          client_credentials: { client_id: CLIENT.id, client_secret: { name: SECRET } },
        },
      },
    },
  }
}

function router(): object {
  return {
    name: 'envoy.filters.http.router',
    typed_config: { '@type': `${EXTENSIONS}.filters.http.router.v3.Router` },
  }
}

function cluster(name: string, port: number): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: {
      thresholds: [{ max_connections: LIMIT, max_pending_requests: LIMIT, max_requests: LIMIT }],
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: addressOf(port) } }] }],
    },
  }
}

function tls(authorityFile: string): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${EXTENSIONS}.transport_sockets.tls.v3.UpstreamTlsContext`,
      sni: 'localhost',
      common_tls_context: {
        validation_context: {
          trusted_ca: { filename: authorityFile },
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'localhost' } }],
        },
      },
    },
  }
}

function addressOf(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}
