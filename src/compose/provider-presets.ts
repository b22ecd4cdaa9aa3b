import type { CredentialConfig } from '../config/credential-schema.ts'

/** How a product differs from the RFCs. Settings in the configuration override it. */
type Preset = {
  readonly issuer: string
  readonly tokenEndpoint: string
  /** Converts a scope to the product's form. */
  readonly scope?: (scope: string) => string
  /** The audience of client assertions, if it is not the issuer. */
  readonly assertionAudience?: 'tokenEndpoint'
  /** Header parameters of client assertions. */
  readonly assertionHeader?: Readonly<Record<string, string>>
  /** The product's name for bearer tokens; it may also omit `token_type`. */
  readonly tokenType?: string
  /** Whether an assertion grant has its scopes in the assertion instead of the form. */
  readonly scopesInAssertion?: boolean
}

/** The preset of the credential's provider; empty without one. The sources are in docs/providers.md. */
export function presetOf({ provider }: Pick<CredentialConfig, 'provider'>): Partial<Preset> {
  return provider === undefined ? {} : { ...addressOf(provider), ...differencesOf(provider) }
}

type Provider = NonNullable<CredentialConfig['provider']>

/** Empty where the credential says itself where the server is, and the provider does not. */
function addressOf(provider: Provider): Partial<Pick<Preset, 'issuer' | 'tokenEndpoint'>> {
  switch (provider.name) {
    case 'entra': {
      if (provider.tenant === undefined) return {}
      const base = `https://login.microsoftonline.com/${provider.tenant}`
      return { issuer: `${base}/v2.0`, tokenEndpoint: `${base}/oauth2/v2.0/token` }
    }
    case 'okta': {
      if (provider.domain === undefined) return {}
      const issuer = `https://${provider.domain}/oauth2/${provider.authorizationServer}`
      return { issuer, tokenEndpoint: `${issuer}/v1/token` }
    }
    case 'auth0': {
      if (provider.domain === undefined) return {}
      const issuer = `https://${provider.domain}/`
      return { issuer, tokenEndpoint: `${issuer}oauth/token` }
    }
    case 'cognito': {
      if (provider.domain === undefined) return {}
      const issuer = `https://${provider.domain}`
      return { issuer, tokenEndpoint: `${issuer}/oauth2/token` }
    }
    case 'keycloak': {
      const { url, realm } = provider
      if (url === undefined || realm === undefined) return {}
      const issuer = `${url.replace(/\/$/, '')}/realms/${encodeURIComponent(realm)}`
      return { issuer, tokenEndpoint: `${issuer}/protocol/openid-connect/token` }
    }
    case 'ping': {
      if (provider.environment === undefined) return {}
      const issuer = `https://auth.pingone.${provider.region}/${provider.environment}/as`
      return { issuer, tokenEndpoint: `${issuer}/token` }
    }
    case 'google': {
      return {
        issuer: 'https://accounts.google.com',
        tokenEndpoint: 'https://oauth2.googleapis.com/token',
      }
    }
    case 'ebay': {
      const issuer = provider.sandbox ? 'https://api.sandbox.ebay.com' : 'https://api.ebay.com'
      return { issuer, tokenEndpoint: `${issuer}/identity/v1/oauth2/token` }
    }
    case 'shopify': {
      if (provider.shop === undefined) return {}
      const issuer = `https://${provider.shop}.myshopify.com`
      return { issuer, tokenEndpoint: `${issuer}/admin/oauth/access_token` }
    }
    case 'linkedin': {
      const issuer = 'https://www.linkedin.com'
      return { issuer, tokenEndpoint: `${issuer}/oauth/v2/accessToken` }
    }
    case 'apigee': {
      // Each API proxy has its own token endpoint.
      return {}
    }
  }
}

/** Where the product differs from what the RFCs specify. */
function differencesOf({ name }: Provider): Omit<Partial<Preset>, 'issuer' | 'tokenEndpoint'> {
  switch (name) {
    case 'entra': {
      return {
        scope: (scope) =>
          scope.endsWith('/.default') ? scope : `${scope.replace(/\/$/, '')}/.default`,
        assertionAudience: 'tokenEndpoint',
        assertionHeader: JWT,
      }
    }
    case 'okta': {
      return { assertionAudience: 'tokenEndpoint', assertionHeader: JWT }
    }
    case 'auth0':
    case 'keycloak':
    case 'ping': {
      return { assertionHeader: JWT }
    }
    case 'cognito': {
      return {}
    }
    case 'google': {
      return { scopesInAssertion: true }
    }
    case 'ebay': {
      return { tokenType: 'Application Access Token' }
    }
    case 'shopify':
    case 'linkedin': {
      return { tokenType: 'Bearer' }
    }
    case 'apigee': {
      return { tokenType: 'BearerToken' }
    }
  }
}

const JWT = { typ: 'JWT' }
