import { configJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts'

/** The paths of all settings below a schema; a secret or a free-form map is one setting. */
function settingsOf(schema: JsonSchema, path: string): string[] {
  const branches = schema.oneOf ?? schema.anyOf
  if (branches !== undefined) {
    return branches.flatMap((branch) =>
      typeof branch === 'object' ? settingsOf(branch, path) : [],
    )
  }
  const properties = Object.entries(schema.properties ?? {})
  if (properties.length === 0 || 'file' in (schema.properties ?? {})) {
    const isFileOfMethod = schema.properties?.['method'] !== undefined
    if (!isFileOfMethod) return [path]
  }
  return properties.flatMap(([key, inner]) =>
    typeof inner === 'object' ? settingsOf(inner, path === '' ? key : `${path}.${key}`) : [],
  )
}

function settingsBelow(schema: JsonSchema['items'] | JsonSchema['additionalProperties']): string[] {
  const isSchema = typeof schema === 'object' && !Array.isArray(schema)
  return isSchema ? [...new Set(settingsOf(schema, ''))] : []
}

export function credentialSettings(): string[] {
  const credentials = configJsonSchema().properties?.['credentials']
  return settingsBelow(typeof credentials === 'object' && credentials.additionalProperties)
}

export function routeSettings(): string[] {
  const routes = configJsonSchema().properties?.['routes']
  return settingsBelow(typeof routes === 'object' && routes.items)
}

/** The settings outside of credentials, routes and their defaults. */
export function processSettings(): string[] {
  const { properties = {} } = configJsonSchema()
  const { credentials: _credentials, routes: _routes, defaults: _defaults, ...others } = properties
  return settingsBelow({ properties: others })
}
