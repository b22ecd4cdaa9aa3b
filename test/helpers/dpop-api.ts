import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose'
import type { RunningProvider } from './provider.ts'
import { startServer } from './servers.ts'

type DpopAttempt = {
  readonly status: number
  /** Why it was rejected. */
  readonly reason: string | undefined
  readonly alg: string
  readonly nonce: unknown
  readonly body: string
}

export type DpopApi = {
  readonly origin: string
  readonly attempts: readonly DpopAttempt[]
  /** Sets the nonce that proofs must have. */
  wantNonce(nonce: string | undefined): void
  /** Rejects all tokens that were used so far. */
  revokeAll(): void
}

/** An API that requires DPoP-bound tokens and verifies each proof (RFC 9449 sections 4.3 and 7.1). */
export async function startDpopApi(issuer: Pick<RunningProvider, 'verify'>): Promise<DpopApi> {
  const attempts: DpopAttempt[] = []
  const seenIds = new Set<string>()
  const seenTokens = new Set<string>()
  const revoked = new Set<string>()
  let wanted: string | undefined
  const origin = await startServer((req, res) => void respond(req, res))

  return {
    origin,
    attempts,
    wantNonce(nonce) {
      wanted = nonce
    },
    revokeAll() {
      for (const token of seenTokens) revoked.add(token)
    },
  }

  async function respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await text(req)
    const { status, ...outcome } = await verifyRequest(req)
    attempts.push({ alg: '', nonce: undefined, reason: undefined, ...outcome, status, body })
    if (wanted !== undefined) res.setHeader('DPoP-Nonce', wanted)
    if (outcome.reason !== undefined) {
      res.setHeader('WWW-Authenticate', `DPoP error="${outcome.reason}", algs="ES256"`)
    }
    res.writeHead(status).end(outcome.reason ?? `accepted ${body}`)
  }

  async function verifyRequest(
    req: IncomingMessage,
  ): Promise<Partial<DpopAttempt> & { status: number }> {
    const proofs = req.headersDistinct['dpop'] ?? []
    const credentials = req.headersDistinct['authorization'] ?? []
    const [scheme, token = ''] = credentials[0]?.split(' ') ?? []
    const [proof = ''] = proofs
    if (proofs.length !== 1 || credentials.length !== 1 || scheme !== 'DPoP') {
      return { status: 400, reason: 'not one proof and one bound token' }
    }
    seenTokens.add(token)
    try {
      const { cnf } = await issuer.verify(token)
      const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
        typ: 'dpop+jwt',
        maxTokenAge: 60,
      })
      const { alg, jwk = {} } = protectedHeader
      const { jti = '', htm, htu, ath, nonce } = payload
      const target = origin + new URL(req.url ?? '', origin).pathname
      const faults = Object.entries({
        jti: jti !== '' && !seenIds.has(jti),
        htm: htm === req.method,
        htu: htu === target,
        ath: ath === createHash('sha256').update(token).digest('base64url'),
        jwk: !('d' in jwk),
        jkt: isBoundTo(cnf, await calculateJwkThumbprint(jwk)),
      }).flatMap(([name, isGood]) => (isGood ? [] : [name]))
      seenIds.add(jti)
      if (faults.length > 0) return { status: 401, reason: `wrong: ${faults.join()}`, alg, nonce }
      if (revoked.has(token)) return { status: 401, reason: 'invalid_token', alg, nonce }
      if (nonce !== wanted) return { status: 401, reason: 'use_dpop_nonce', alg, nonce }
      return { status: 200, alg, nonce }
    } catch (error) {
      return { status: 401, reason: String(error) }
    }
  }
}

function isBoundTo(confirmation: unknown, thumbprint: string): boolean {
  return (
    typeof confirmation === 'object' &&
    confirmation !== null &&
    'jkt' in confirmation &&
    confirmation.jkt === thumbprint
  )
}
