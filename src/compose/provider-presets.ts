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
  switch (provider?.name) {
    case undefined: {
      return {}
    }
    case 'entra': {
      const base = `https://login.microsoftonline.com/${provider.tenant}`
      return {
        issuer: `${base}/v2.0`,
        tokenEndpoint: `${base}/oauth2/v2.0/token`,
        scope: (scope) =>
          scope.endsWith('/.default') ? scope : `${scope.replace(/\/$/, '')}/.default`,
        assertionAudience: 'tokenEndpoint',
        assertionHeader: JWT,
      }
    }
    case 'okta': {
      const issuer = `https://${provider.domain}/oauth2/${provider.authorizationServer}`
      return {
        issuer,
        tokenEndpoint: `${issuer}/v1/token`,
        assertionAudience: 'tokenEndpoint',
        assertionHeader: JWT,
      }
    }
    case 'auth0': {
      const issuer = `https://${provider.domain}/`
      return { issuer, tokenEndpoint: `${issuer}oauth/token`, assertionHeader: JWT }
    }
    case 'cognito': {
      const issuer = `https://${provider.domain}`
      return { issuer, tokenEndpoint: `${issuer}/oauth2/token` }
    }
    case 'keycloak': {
      const issuer = `${provider.url.replace(/\/$/, '')}/realms/${encodeURIComponent(provider.realm)}`
      const tokenEndpoint = `${issuer}/protocol/openid-connect/token`
      return { issuer, tokenEndpoint, assertionHeader: JWT }
    }
    case 'ping': {
      const issuer = `https://auth.pingone.${provider.region}/${provider.environment}/as`
      return { issuer, tokenEndpoint: `${issuer}/token`, assertionHeader: JWT }
    }
    case 'google': {
      return {
        issuer: 'https://accounts.google.com',
        tokenEndpoint: 'https://oauth2.googleapis.com/token',
        scopesInAssertion: true,
      }
    }
    case 'ebay': {
      const host = provider.sandbox ? 'api.sandbox.ebay.com' : 'api.ebay.com'
      return {
        issuer: `https://${host}`,
        tokenEndpoint: `https://${host}/identity/v1/oauth2/token`,
        tokenType: 'Application Access Token',
      }
    }
    case 'shopify': {
      const issuer = `https://${provider.shop}.myshopify.com`
      return { issuer, tokenEndpoint: `${issuer}/admin/oauth/access_token`, tokenType: 'Bearer' }
    }
    case 'linkedin': {
      const issuer = 'https://www.linkedin.com'
      return { issuer, tokenEndpoint: `${issuer}/oauth/v2/accessToken`, tokenType: 'Bearer' }
    }
    case 'apigee': {
      // Each API proxy has its own token endpoint.
      return { tokenType: 'BearerToken' }
    }
  }
}

const JWT = { typ: 'JWT' }
