import { X509Certificate } from 'node:crypto'
import * as z from 'zod'
import type { Finding } from './cross-checks.ts'
import type { KeyPath } from './problem.ts'
import { unreadableReason } from './read-file.ts'
import { createSecretReader, type SecretPlaces } from './secret-ref.ts'

// As in cross-checks.ts: only what is needed here, forgiving about all the rest.
const text = z.string().optional().catch(undefined)
const tls = z
  .object({ ca: z.object({ file: z.string() }) })
  .optional()
  .catch(undefined)
const none = z.undefined().optional()
const secret = z.union([
  z.object({ file: z.string(), env: none, value: none }),
  z.object({ file: none, env: z.string(), value: none }),
  z.object({ file: none, env: none, value: z.string() }),
])
const outline = z.object({
  credentials: z
    .record(
      z.string(),
      z.object({ auth: z.object({ clientSecret: secret }).optional().catch(undefined), tls }),
    )
    .catch({}),
  routes: z.array(z.object({ name: text, tls })).catch([]),
})

type Look = { readonly path: KeyPath; readonly fault: () => Promise<string | undefined> }

/** Looks at everything outside of the file that it refers to: secrets and certificates. */
export async function checkFiles(data: unknown, places: SecretPlaces): Promise<Finding[]> {
  const parsed = outline.safeParse(data)
  if (!parsed.success) return []
  const { credentials, routes } = parsed.data

  const secretLooks = Object.entries(credentials).flatMap(([name, { auth }]): Look[] => {
    if (auth === undefined) return []
    const ref = auth.clientSecret
    const place = ref.file === undefined ? (ref.env === undefined ? 'value' : 'env') : 'file'
    const read = createSecretReader(ref, places)
    return [
      {
        path: ['credentials', name, 'auth', 'clientSecret', place],
        fault: async () => secretFault((await read()).reveal(), place),
      },
    ]
  })
  const certificateLooks = [
    ...Object.entries(credentials).map(([name, value]) => ({
      path: ['credentials', name, 'tls', 'ca', 'file'],
      file: value.tls?.ca.file,
    })),
    ...routes.map((route, index) => ({
      path: ['routes', index, 'tls', 'ca', 'file'],
      file: route.tls?.ca.file,
    })),
  ].flatMap(({ path, file }): Look[] =>
    file === undefined ? [] : [{ path, fault: async () => pemFault(await places.readFile(file)) }],
  )

  const findings = await Promise.all(
    [...secretLooks, ...certificateLooks].map(async ({ path, fault }): Promise<Finding[]> => {
      const message = await faultOrUnreadable(fault)
      return message === undefined ? [] : [{ path, message, severity: 'error' }]
    }),
  )
  return findings.flat()
}

async function faultOrUnreadable(fault: Look['fault']): Promise<string | undefined> {
  try {
    return await fault()
  } catch (cause) {
    return `expected a file that can be read (${unreadableReason(cause)})`
  }
}

function secretFault(value: string, place: string): string | undefined {
  if (value === '') {
    return place === 'env'
      ? 'expected the name of an environment variable that is set and not empty'
      : 'expected a secret, and it is empty'
  }
  // RFC 6749 appendix A.2. Servers refuse anything else, whichever way it is sent.
  return /^[\x20-\x7e]+$/.test(value)
    ? undefined
    : 'expected a secret of printable ASCII characters on one line, and it has others'
}

function pemFault(pem: string): string | undefined {
  try {
    void new X509Certificate(pem)
    return undefined
  } catch {
    return 'expected a certificate in PEM form'
  }
}
