import { findProgram } from '../system/find-program.ts'
import { startNginxUpstream } from './nginx-upstream.ts'
import { startNodeUpstream } from './node-upstream.ts'
import type { Upstream, UpstreamOptions } from './upstream.ts'

export async function startUpstream(
  options: UpstreamOptions & { readonly onlyNode: boolean },
): Promise<Upstream> {
  const nginx = options.onlyNode ? undefined : findProgram('nginx')
  return nginx === undefined
    ? await startNodeUpstream(options)
    : await startNginxUpstream(nginx, options)
}
