import * as z from 'zod'
import { isLoopbackHost } from '../lib/loopback.ts'
import { error, type Finding, optionalFlag, optionalText } from './finding.ts'

const outline = z.object({
  url: z
    .union([z.string().transform((url) => [url]), z.array(z.string())])
    .optional()
    .catch(undefined),
  mode: optionalText,
  primary: optionalText,
  allowPlaintext: optionalFlag,
})

/** Checks of `tokenStore` that involve several settings; `data` may be anything. */
export function checkTokenStore(data: unknown): Finding[] {
  const parsed = outline.safeParse(data)
  if (!parsed.success) return []
  const { url: urls = [], mode = 'standalone', primary, allowPlaintext } = parsed.data
  const findings: Finding[] = []
  const at = ['tokenStore']
  const schemes = new Set(urls.map((url) => URL.parse(url)?.protocol))
  if (mode === 'standalone' && urls.length > 1) {
    findings.push(
      error(
        [...at, 'mode'],
        'expected "cluster" or "sentinel", because "url" has more than one address',
      ),
    )
  }
  if (schemes.size > 1) {
    findings.push(error([...at, 'url'], 'expected either "redis:" or "rediss:" in all addresses'))
  }
  if (
    mode === 'cluster' &&
    urls.some((url) => /\/[1-9]\d*$/.test(URL.parse(url)?.pathname ?? ''))
  ) {
    findings.push(error([...at, 'url'], 'expected no database number: a cluster has only one'))
  }
  if (mode !== 'sentinel' && primary !== undefined) {
    findings.push(error([...at, 'primary'], 'has an effect only with "mode: sentinel"'))
  }
  if (allowPlaintext !== true && urls.some((url) => isRemotePlaintext(url))) {
    findings.push(
      error(
        [...at, 'url'],
        'expected a "rediss:" URL, because the password of the store would be sent unencrypted; "allowPlaintext: true" permits it',
      ),
    )
  }
  return findings
}

function isRemotePlaintext(url: string): boolean {
  const { protocol, hostname = '' } = URL.parse(url) ?? {}
  return protocol === 'redis:' && hostname !== 'localhost' && !isLoopbackHost(hostname)
}
