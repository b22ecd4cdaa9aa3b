import { StartError } from './start-error.ts'

/** The loopback ports of the demo; sidecar.yaml has the same variables and defaults. */
export const PORTS = {
  sidecar: { variable: 'DEMO_SIDECAR_PORT', usual: 18_080, what: 'the sidecar' },
  admin: { variable: 'DEMO_ADMIN_PORT', usual: 19_090, what: "the sidecar's admin listener" },
  authorizationServer: {
    variable: 'DEMO_AUTHORIZATION_SERVER_PORT',
    usual: 18_081,
    what: 'the authorization server',
  },
  api: { variable: 'DEMO_API_PORT', usual: 18_082, what: 'the orders API' },
  inventory: {
    variable: 'DEMO_INVENTORY_PORT',
    usual: 18_083,
    what: 'the gRPC service',
  },
} as const

export type PortName = keyof typeof PORTS
export type Ports = Readonly<Record<PortName, number>>

export function readPorts(env: Readonly<Record<string, string | undefined>>): Ports {
  const read = (name: PortName): number => {
    const { variable, usual } = PORTS[name]
    const text = env[variable] ?? ''
    if (text === '') return usual
    if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
    throw new StartError(`Cannot use ${variable}: expected a port from 0 to 65535, got "${text}"`)
  }
  return {
    sidecar: read('sidecar'),
    admin: read('admin'),
    authorizationServer: read('authorizationServer'),
    api: read('api'),
    inventory: read('inventory'),
  }
}

/** The same as environment variables, for sidecar.yaml. */
export function portVariables(ports: Ports): Readonly<Record<string, string>> {
  return {
    [PORTS.sidecar.variable]: String(ports.sidecar),
    [PORTS.admin.variable]: String(ports.admin),
    [PORTS.authorizationServer.variable]: String(ports.authorizationServer),
    [PORTS.api.variable]: String(ports.api),
    [PORTS.inventory.variable]: String(ports.inventory),
  }
}

export function portTaken(name: PortName, port: number): string {
  const { variable, what } = PORTS[name]
  return (
    `Port ${port}, meant for ${what}, is in use by another process.\n` +
    `Set ${variable} to another port; 0 takes any that is free:\n` +
    `  ${variable}=0 npm run demo`
  )
}
