import * as z from 'zod'
import { settingRoles } from './setting-roles.ts'
import { certificateFile, keyFile, text } from './value-schemas.ts'

const certificateAuthority = z
  .strictObject({
    directory: text
      .optional()
      .describe(
        'Generate a CA that is limited to the hosts of the routes, and store it in this directory. It has to persist across restarts.',
      ),
    cert: certificateFile
      .optional()
      .describe('A supplied CA instead: its certificate, which its issuers may follow.'),
    key: keyFile.optional().describe('The private key of the supplied CA: ECDSA or RSA.'),
  })
  .refine(
    ({ directory, cert, key }) =>
      directory === undefined ? cert !== undefined && key !== undefined : !(cert ?? key),
    { error: 'expected either "directory", or "cert" and "key"' },
  )
  .transform(({ directory = '', cert, key }) =>
    cert === undefined || key === undefined
      ? { kind: 'generated' as const, directory }
      : { kind: 'supplied' as const, files: { cert, key } },
  )
  .describe('The certificate authority that signs the certificates of intercepted hosts.')
  .register(settingRoles, { reference: 'key pair', isIndivisible: true })

const trustBundle = z
  .strictObject({
    pem: text
      .optional()
      .describe(
        'A file in PEM form. By default `ca-bundle.pem` in the directory of a generated CA.',
      ),
    pkcs12: text
      .optional()
      .describe(
        'A PKCS#12 truststore for Java. By default `truststore.p12` in the directory of a generated CA.',
      ),
    password: text
      .default('changeit')
      .describe(
        'The password of the truststore. It protects nothing, because certificates are public.',
      ),
  })
  .prefault({})
  .describe(
    'Files that the sidecar writes for applications: the CA certificates of the system, those that the environment of the sidecar names (`SSL_CERT_FILE` and others), and its own.',
  )

export const interceptSchema = z
  .strictObject({ ca: certificateAuthority, bundle: trustBundle })
  .optional()
  .describe(
    'TLS interception: a `CONNECT` to a host that a route names is answered with a certificate for that host, so that `https:` requests get a token.',
  )
