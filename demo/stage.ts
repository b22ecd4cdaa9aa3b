import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AuthorizationServer, startAuthorizationServer } from './authorization-server.ts'
import { startInventoryService } from './inventory-service.ts'
import { type OrdersApi, startOrdersApi } from './orders-api.ts'
import { type PortName, PORTS, type Ports, portTaken, portVariables } from './ports.ts'
import { type SidecarProcess, startSidecarProcess } from './sidecar-process.ts'
import { StartError } from './start-error.ts'

/** The running programs of the demo. */
export type Stage = {
  readonly authorizationServer: AuthorizationServer
  readonly api: OrdersApi
  /** The URL of the gRPC service. */
  readonly inventoryUrl: string
  readonly sidecar: SidecarProcess
  close(): Promise<void>
}

export type StageOptions = {
  readonly ports: Ports
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

export const CONFIG_FILE = join(import.meta.dirname, 'sidecar.yaml')
export const TOKEN_LIFETIME_SECONDS = 20

const SECRET_FILE = join(import.meta.dirname, 'client-secret')
const RESOURCE = 'https://orders.example.com'

export async function setStage({ ports, env, signal }: StageOptions): Promise<Stage> {
  await using cleanup = new AsyncDisposableStack()

  const clientSecret = (await readFile(SECRET_FILE, 'utf8')).trim()
  const authorizationServer = await claimPort('authorizationServer', ports, async (port) => {
    return await startAuthorizationServer({
      port,
      resource: RESOURCE,
      scopes: ['orders.read', 'orders.write', 'orders.delete', 'reports.read'],
      tokenLifetimeSeconds: TOKEN_LIFETIME_SECONDS,
      clients: [
        {
          client_id: 'legacy-shop',
          client_secret: clientSecret,
          token_endpoint_auth_method: 'client_secret_basic',
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [],
          scope: 'orders.read orders.write reports.read',
        },
      ],
    })
  })
  cleanup.defer(async () => await authorizationServer.close())

  const { issuer, jwksUri } = authorizationServer
  const api = await claimPort(
    'api',
    ports,
    async (port) => await startOrdersApi({ port, issuer, jwksUri, audience: RESOURCE }),
  )
  cleanup.defer(async () => await api.close())

  const inventory = await claimPort(
    'inventory',
    ports,
    async (port) => await startInventoryService({ port, issuer, jwksUri, audience: RESOURCE }),
  )
  cleanup.defer(() => inventory.close())

  const sidecar = await startSidecar({
    env,
    signal,
    ports: {
      ...ports,
      authorizationServer: portOf(issuer),
      api: portOf(api.url),
      inventory: inventory.port,
    },
  })
  cleanup.defer(async () => await sidecar.stop())

  const owned = cleanup.move()
  return {
    authorizationServer,
    api,
    inventoryUrl: `http://127.0.0.1:${inventory.port}`,
    sidecar,
    close: async () => await owned.disposeAsync(),
  }
}

async function claimPort<T>(
  name: PortName,
  ports: Ports,
  start: (port: number) => Promise<T>,
): Promise<T> {
  const port = ports[name]
  try {
    return await start(port)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'EADDRINUSE') throw new StartError(portTaken(name, port), { cause })
    if (typeof code !== 'string') throw cause
    throw new StartError(`Cannot start ${PORTS[name].what} on port ${port}: ${code}`, { cause })
  }
}

/** With the actual ports, to which sidecar.yaml refers. */
async function startSidecar({ ports, env, signal }: StageOptions): Promise<SidecarProcess> {
  try {
    return await startSidecarProcess({
      configFile: CONFIG_FILE,
      env: { ...env, ...portVariables(ports) },
      signal,
    })
  } catch (cause) {
    if (!(cause instanceof StartError)) throw cause
    const { message } = cause
    const own = ['sidecar', 'admin'] as const
    const taken = own.find((name) => message.includes(`127.0.0.1:${ports[name]}" is in use`))
    if (taken === undefined) throw cause
    throw new StartError(`${message}\n\n${portTaken(taken, ports[taken])}`, { cause })
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}
