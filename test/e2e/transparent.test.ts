import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { POD, WORLD } from '../namespace/network.ts'
import {
  CANNOT_RUN,
  DEPLOYMENTS,
  LISTENER_PORT,
  NAMED,
  OTHER,
  PLAIN,
  SETUP_TIMEOUT_MS,
  setStage,
  SIDECAR,
  type Stage,
  TOKEN,
} from '../namespace/stage.ts'

describe.skipIf(CANNOT_RUN).for(DEPLOYMENTS)(
  'with the rules that $deployment loads',
  (deployment) => {
    let stage: Stage
    beforeAll(async () => {
      stage = await setStage(deployment)
    }, SETUP_TIMEOUT_MS)
    afterAll(() => stage.close())

    describe.for(['4', '6'])('over IPv%s', (version) => {
      const ip = `-${version}`
      const address = version === '4' ? WORLD[0] : WORLD[1]
      const literal = version === '4' ? WORLD[0] : `[${WORLD[1]}]`

      test.for([
        ['--http1.1', `https://${NAMED}/`, '1.1'],
        ['--http2', `https://${NAMED}/`, '2'],
        ['--http1.1', `http://${PLAIN}/`, '1.1'],
        ['--http2-prior-knowledge', `http://${PLAIN}/`, '2'],
      ] as const)('a request with %s to %s gets a token', async ([option, url, protocol]) => {
        const outcome = await stage.curl(ip, option, '-w', '%{http_version}', url)
        expect(outcome).toEqual({
          code: 0,
          stdout: expect.stringMatching(new RegExp(`${TOKEN}\n${RegExp.escape(protocol)}$`)),
          stderr: '',
        })
      })

      test('a connection to another host by https is reset', async () => {
        const before = (await stage.rejections('unknown_host')) ?? 0
        const { code, stderr } = await stage.curl(ip, `https://${OTHER}/`)
        expect([code, stderr]).toEqual([35, expect.stringMatching(/reset by peer/i)])
        expect(await stage.rejections('unknown_host')).toBe(before + 1)
      })

      test('a request to another host by http gets 403, and a reason', async () => {
        const { stdout } = await stage.curl(ip, '-w', '%{http_code}', `http://${OTHER}/`)
        expect(stdout).toContain(`no route is for host \\"${OTHER}\\"`)
        expect(stdout).toMatch(/403$/)
      })

      test('a connection to an address by https is reset, because it has no server name', async () => {
        const before = (await stage.rejections('no_server_name')) ?? 0
        expect(await stage.curl('-k', `https://${literal}/`)).toMatchObject({ code: 35 })
        expect(await stage.rejections('no_server_name')).toBe(before + 1)
      })

      test('a request to an address by http gets 403', async () => {
        const { stdout } = await stage.curl(
          '-o',
          '/dev/null',
          '-w',
          '%{http_code}',
          `http://${literal}/`,
        )
        expect(stdout).toBe('403')
      })

      test.for([8443, 9000, 53])('port %i is refused', async (port) => {
        expect(await stage.curl(ip, '-k', `https://${NAMED}:${port}/`)).toMatchObject({
          code: 7,
          stderr: expect.stringContaining('Could'),
        })
      })

      test('QUIC is refused', async () => {
        expect(await stage.act('udp', address, '443')).toMatchObject({ stdout: 'ECONNREFUSED\n' })
      })

      test('the servers of the application are reached by the loopback address', async () => {
        const loopback = version === '4' ? '127.0.0.1' : '::1'
        const url = version === '4' ? 'http://127.0.0.1:443/' : 'http://[::1]:443/'
        await stage.startAction('listening', 'serve', loopback, '443')
        expect(await stage.curl(url)).toMatchObject({ stdout: 'own server\n' })
      })

      test('the servers of the application are reached by other machines', async () => {
        const [own4, own6] = POD
        const [bound, url] =
          version === '4' ? [own4, `http://${own4}:8081/`] : [own6, `http://[${own6}]:8081/`]
        await stage.startAction('listening', 'serve', bound, '8081')
        expect(await stage.network.world.run(0, ['curl', '-sS', url])).toMatchObject({
          stdout: 'own server\n',
        })
      })

      test('connections of other machines to the listener are reset', async () => {
        const before = (await stage.rejections('not_redirected')) ?? 0
        const host = version === '4' ? POD[0] : `[${POD[1]}]`
        const headers = ['-H', `Host: ${NAMED}`]
        const url = `http://${host}:${LISTENER_PORT}/`
        const { code, stdout } = await stage.network.world.run(0, ['curl', '-sS', ...headers, url])
        // Refused, if the reset arrives before curl has noticed that the connection is open.
        expect([7, 56]).toContain(code)
        expect(stdout).toBe('')
        expect(await stage.rejections('not_redirected')).toBe(before + 1)
      })

      test('the connections of the sidecar pass', async () => {
        const args = ['--cacert', stage.file('world-ca.pem'), ip, `https://${OTHER}:8443/`]
        expect(await stage.curlAs(SIDECAR, ...args)).toMatchObject({
          stdout: 'https 2.0 none\n',
        })
      })
    })

    test('a gRPC call gets a token', async () => {
      expect(
        await stage.act('grpc', `${NAMED}:443`, stage.file('state/ca-bundle.pem')),
      ).toMatchObject({
        stdout: `hello ${TOKEN}\n`,
      })
    })

    test('requests are counted as transparent, and rejections are logged with their host', async () => {
      expect(
        await stage.metric('token_sidecar_inbound_requests_total', {
          mode: 'transparent',
          protocol: 'h2',
        }),
      ).toBeGreaterThan(0)
      const line = stage.sidecar.lines().find((text) => text.includes('"reason":"unknown_host"'))
      expect(JSON.parse(line ?? '{}')).toMatchObject({
        level: 'warn',
        message: 'redirected connection rejected',
        listener: 'redirected',
        host: OTHER,
        advice: expect.stringContaining('add a route'),
      })
    })
  },
)
