import type { CredentialConfig } from '../config/credential-schema.ts'

/** What a product wants otherwise than the RFCs would have it; what the file says itself goes first. */
type Preset = {
  readonly issuer: string
  readonly tokenEndpoint: string
  /** How the product spells a scope. */
  readonly scope?: (scope: string) => string
  /** What client assertions are for, where it is not the issuer. */
  readonly assertionAudience?: 'tokenEndpoint'
  /** What the header of client assertions must have. */
  readonly assertionHeader?: Readonly<Record<string, string>>
  /** What the product calls bearer tokens; it may leave `token_type` out as well. */
  readonly tokenType?: string
  /** Where the scopes of an assertion grant go: into the assertion instead of the form. */
  readonly scopesInAssertion?: boolean
}

/** What the credential's provider fills in; empty without one. The sources are in docs/providers.md. */
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
      // Every API proxy has a token endpoint of its own.
      return { tokenType: 'BearerToken' }
    }
  }
}

const JWT = { typ: 'JWT' }
