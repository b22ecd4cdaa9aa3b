import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose'
import type { VerifiedToken } from './authorization-server.ts'

/** The API behind the sidecar. `/CASE` verifies and accepts the tokens of that case. */
export type ProtectedApi = {
  readonly origin: string
  /** The tokens that were accepted for a case, in the order of their first use. */
  accepted(caseId: string): readonly string[]
  /** Why the last token of a case was rejected. */
  lastRejection(caseId: string): string | undefined
  /** Rejects this token from now on, as if it had been revoked. */
  reject(token: string): void
  useVerifier(verify: (token: string) => Promise<VerifiedToken>): void
  close(): Promise<void>
}

async function rejectAll(): Promise<VerifiedToken> {
  throw new Error('no authorization server yet')
}

export async function startProtectedApi(): Promise<ProtectedApi> {
  const accepted = new Map<string, string[]>()
  const rejections = new Map<string, string>()
  const rejected = new Set<string>()
  let verify: (token: string) => Promise<VerifiedToken> = rejectAll
  const server = createServer((request, response) => {
    void (async () => {
      const caseId = decodeURIComponent((request.url ?? '/').slice(1))
      try {
        const token = await checkRequest(request)
        const known = accepted.get(caseId) ?? []
        if (!known.includes(token)) accepted.set(caseId, [...known, token])
        response.writeHead(200).end('accepted')
      } catch (error) {
        rejections.set(caseId, error instanceof Error ? error.message : String(error))
        response.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end()
      }
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  const origin = `http://127.0.0.1:${bound.port}`

  async function checkRequest(request: IncomingMessage): Promise<string> {
    const [scheme = '', token = ''] = (request.headers.authorization ?? '').split(' ')
    if (rejected.has(token)) throw new Error('the token was revoked')
    const { jkt } = await verify(token)
    const expected = jkt === undefined ? 'Bearer' : 'DPoP'
    if (scheme !== expected) throw new Error(`expected ${expected}, not "${scheme}"`)
    if (jkt !== undefined) await checkProof(request, token, jkt)
    return token
  }

  /** RFC 9449 section 7.1. */
  async function checkProof(request: IncomingMessage, token: string, jkt: string): Promise<void> {
    const proof = request.headersDistinct['dpop']?.[0] ?? ''
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      maxTokenAge: 60,
      clockTolerance: 5,
    })
    if (payload['ath'] !== createHash('sha256').update(token).digest('base64url')) {
      throw new Error('the DPoP proof is for another token')
    }
    if (payload['htu'] !== `${origin}${request.url}`)
      throw new Error('the DPoP proof is for another URL')
    if (jkt !== (await calculateJwkThumbprint(protectedHeader.jwk ?? {}))) {
      throw new Error('the token is bound to another key')
    }
  }

  return {
    origin,
    accepted: (caseId) => accepted.get(caseId) ?? [],
    lastRejection: (caseId) => rejections.get(caseId),
    reject: (token) => void rejected.add(token),
    useVerifier(next) {
      verify = next
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
