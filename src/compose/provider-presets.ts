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
  }
}

const JWT = { typ: 'JWT' }
