import { spawnSync } from 'node:child_process'
import { status } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { endpointConfig } from '../helpers/config-text.ts'
import { startGrpcServer } from '../helpers/grpc.ts'
import { run } from '../helpers/http-clients.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

const CLIENT = `
import sys, grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    print(channel.unary_unary('/test.Echo/Unary')(b'one', timeout=20).decode())
    print(channel.stream_unary('/test.Echo/Collect')(iter([b'a', b'b']), timeout=20).decode())
    print([m.decode() for m in channel.unary_stream('/test.Echo/Repeat')(b'x', timeout=20)])
    print([m.decode() for m in channel.stream_stream('/test.Echo/Chat')(iter([b'p', b'q']), timeout=20)])
    for path, message in (('/test.Echo/Unary', b'fail'), ('/none.Service/Call', b'')):
        try:
            channel.unary_unary(path)(message, timeout=20)
        except grpc.RpcError as error:
            print(error.code().value[0], error.details())
`

/** Not part of Python, so that a machine that has all tools may be without it. */
const HAS_GRPCIO = spawnSync('python3', ['-c', 'import grpc']).status === 0

test.skipIf(!HAS_GRPCIO)(
  'an unmodified client of Python (grpcio) makes calls of every type (skipped without grpcio)',
  async () => {
    const endpoint = await startTokenEndpoint((_request, res) =>
      sendToken(res, { access_token: 'the-token' }),
    )
    const server = await startGrpcServer((authorization) => authorization === 'Bearer the-token')
    const config = endpointConfig({
      endpoint: endpoint.url,
      upstream: server.url,
      route: 'http2: always\nkeepPath: true',
    }).replace('path: /orders', 'path: /test.Echo')
    const { proxyUrl } = await startSidecar(config)
    const { code, out, err } = await run('python3', ['-c', CLIENT, new URL(proxyUrl).host])
    expect({ code, err }).toMatchObject({ code: 0 })
    expect(out.trim().split('\n')).toEqual([
      'one',
      'ab',
      "['x', 'x', 'x']",
      "['p', 'q']",
      `${status.FAILED_PRECONDITION} 100 % naïve`,
      expect.stringMatching(new RegExp(`^${status.UNIMPLEMENTED} .*no route`)),
    ])
  },
)
