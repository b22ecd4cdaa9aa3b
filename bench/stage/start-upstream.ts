import { findProgram } from '../system/find-program.ts'
import { startHttp2Upstream } from './http2-upstream.ts'
import { startNginxUpstream } from './nginx-upstream.ts'
import { startNodeUpstream } from './node-upstream.ts'
import type { Upstream, UpstreamOptions } from './upstream.ts'

export async function startUpstream(
  options: UpstreamOptions & { readonly onlyNode: boolean },
): Promise<Upstream> {
  const nginx = options.onlyNode ? undefined : findProgram('nginx')
  const http1 =
    nginx === undefined
      ? await startNodeUpstream(options)
      : await startNginxUpstream(nginx, options)
  return { ...http1, http2: await startHttp2Upstream(options) }
}
