/** How the requests of an application reach the sidecar. */
export const INTEGRATION_MODES = [
  'base_url',
  'http_proxy',
  'intercepted',
  'unix_socket',
  'transparent',
] as const

export type IntegrationMode = (typeof INTEGRATION_MODES)[number]
