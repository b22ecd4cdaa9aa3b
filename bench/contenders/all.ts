import { bareDispatch } from './bare-dispatch.ts'
import { bareHttp2 } from './bare-http2.ts'
import type { Contender } from './contender.ts'
import { envoy } from './envoy.ts'
import { haproxy } from './haproxy.ts'
import { httpProxy } from './http-proxy.ts'
import { nginx } from './nginx.ts'
import { noProxy } from './no-proxy.ts'
import { tokenSidecar } from './token-sidecar.ts'

/** In the order of the report. */
export const CONTENDERS: readonly Contender[] = [
  noProxy,
  tokenSidecar,
  bareDispatch,
  bareHttp2,
  httpProxy,
  haproxy,
  nginx,
  envoy,
]
