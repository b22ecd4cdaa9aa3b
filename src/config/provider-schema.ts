import * as z from 'zod'
import { httpUrl, text } from './value-schemas.ts'

const hostName = z.string().regex(/^[\w-]+(?:\.[\w-]+)+$/, {
  error: 'expected a host name such as "example.okta.com"',
})

export const provider = z
  .discriminatedUnion('name', [
    z.strictObject({
      name: z.literal('entra').describe('Microsoft Entra ID.'),
      tenant: text.optional().describe('The directory: its identifier or one of its domains.'),
    }),
    z.strictObject({
      name: z.literal('okta').describe('Okta, with a custom authorization server.'),
      domain: hostName.optional().describe('Such as `example.okta.com`.'),
      authorizationServer: text
        .default('default')
        .describe('The authorization server’s identifier.'),
    }),
    z.strictObject({
      name: z.literal('auth0').describe('Auth0; requires an `audience`.'),
      domain: hostName.optional().describe('Such as `example.eu.auth0.com`.'),
    }),
    z.strictObject({
      name: z.literal('cognito').describe('Amazon Cognito user pools.'),
      domain: hostName
        .optional()
        .describe('Such as `example.auth.eu-central-1.amazoncognito.com`.'),
    }),
    z.strictObject({
      name: z.literal('keycloak').describe('Keycloak.'),
      url: httpUrl('https://keycloak.example.com')
        .optional()
        .describe('The server, with its path if it has one.'),
      realm: text.optional().describe('The realm.'),
    }),
    z.strictObject({
      name: z.literal('ping').describe('PingOne.'),
      environment: text.optional().describe('The environment’s identifier.'),
      region: z
        .enum(['com', 'eu', 'ca', 'asia', 'com.au', 'sg'])
        .default('com')
        .describe('The top-level domain of the region.'),
    }),
    z.strictObject({
      name: z
        .literal('google')
        .describe('Google service accounts; requires the grant `jwt_bearer`.'),
    }),
    z.strictObject({
      name: z.literal('ebay').describe('eBay; its token type is “Application Access Token”.'),
      sandbox: z.boolean().default(false).describe('The sandbox instead of production.'),
    }),
    z.strictObject({
      name: z.literal('shopify').describe('Shopify; its token responses have no type.'),
      shop: z
        .string()
        .regex(/^[A-Za-z\d][A-Za-z\d-]*$/, {
          error: 'expected the name of a shop, without ".myshopify.com"',
        })
        .optional()
        .describe('The shop: `example` for `example.myshopify.com`.'),
    }),
    z.strictObject({
      name: z.literal('linkedin').describe('LinkedIn; its token responses have no type.'),
    }),
    z.strictObject({
      name: z
        .literal('apigee')
        .describe('Apigee; its token type is “BearerToken”. Requires `tokenEndpoint`.'),
    }),
  ])
  .describe('A preset for a product: see docs/providers.md.')
