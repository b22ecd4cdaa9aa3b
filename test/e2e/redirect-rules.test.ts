import { once } from 'node:events'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Outcome, RESOLVER, WORLD } from '../namespace/network.ts'
import {
  CANNOT_RUN,
  DEPLOYMENTS,
  LISTENER_PORT,
  NAMED,
  OTHER,
  PLAIN,
  SETUP_TIMEOUT_MS,
  setStage,
  type Stage,
  TABLE,
} from '../namespace/stage.ts'
import { until } from '../helpers/wait.ts'

describe.skipIf(CANNOT_RUN).for(DEPLOYMENTS)(
  'with the rules that $deployment loads',
  (deployment) => {
    let stage: Stage
    beforeAll(async () => {
      stage = await setStage(deployment)
    }, SETUP_TIMEOUT_MS)
    afterAll(() => stage.close())

    test('name servers are reached only if the rules name them', async () => {
      // The init container reads them from /etc/resolv.conf; on a machine, an administrator adds them.
      const first = deployment.hasResolvers ? 'received\n' : 'ECONNREFUSED\n'
      expect(await stage.act('udp', RESOLVER, '53')).toMatchObject({ stdout: first })
      await stage.nft('add', 'element', ...TABLE, 'resolvers4', `{ ${RESOLVER} }`)
      expect(await stage.act('udp', RESOLVER, '53')).toMatchObject({ stdout: 'received\n' })
      expect(await stage.act('udp', WORLD[0], '53')).toMatchObject({ stdout: 'ECONNREFUSED\n' })
      expect(await stage.act('udp', WORLD[1], '53')).toMatchObject({ stdout: 'ECONNREFUSED\n' })
    })

    test('direct networks are reached without the sidecar', async () => {
      const direct = async (): Promise<Outcome> =>
        await stage.curl('-4', '--cacert', stage.file('world-ca.pem'), `https://${OTHER}/`)
      expect(await direct()).toMatchObject({ code: 35 })
      const element = ['element', ...TABLE, 'direct4', `{ ${WORLD[0]}/32 }`]
      await stage.nft('add', ...element)
      expect(await direct()).toMatchObject({ stdout: 'https 2.0 none\n' })
      expect(await stage.curl('-6', `https://${OTHER}/`)).toMatchObject({ code: 35 })
      await stage.nft('delete', ...element)
      expect(await direct()).toMatchObject({ code: 35 })
    })

    test('connections that were opened before the rules are reset', async () => {
      await stage.nft('delete', 'table', ...TABLE)
      const held = await stage.startAction('connected', 'hold', WORLD[0], '80')
      expect(await stage.load()).toMatchObject({ code: 0 })
      held.process.stdin?.write('go\n')
      await once(held.process, 'close')
      expect(held.lines().at(-1)).toMatch(/ECONNRESET|ECONNREFUSED/)
    })

    test('the rules can be loaded twice', async () => {
      const listed = async (): Promise<string> =>
        (await stage.nft('--stateless', 'list', 'table', ...TABLE)).stdout
      expect(await stage.load()).toMatchObject({ code: 0 })
      const first = await listed()
      expect(await stage.load()).toMatchObject({ code: 0 })
      expect(await listed()).toBe(first)
    })

    test('an application cannot escape by a user namespace', async () => {
      for (const url of [`https://${OTHER}/`, `https://${OTHER}:8443/`]) {
        const command = ['unshare', '--user', '--map-root-user', 'curl', '-sSk', url]
        const { code, stdout } = await stage.run(command, {})
        expect(code).not.toBe(0)
        expect(stdout).toBe('')
      }
    })

    test('rules are not loaded in the network of a node', async () => {
      const script = [resolve('deploy/redirect/load-rules.sh')]
      await stage.nft('delete', 'table', ...TABLE)
      const { code, stderr } = await stage.network.pod.run(0, script, {
        POD_IP: '10.0.0.7',
        HOST_IP: '10.0.0.7',
      })
      expect([code, stderr]).toEqual([1, expect.stringContaining('hostNetwork')])
      expect((await stage.nft('list', 'ruleset')).stdout).toBe('')
      expect(await stage.load()).toMatchObject({ code: 0 })
    })

    test('a sidecar whose own connections are redirected says so', async () => {
      const everyone = ['--define', 'users={ 0-4294967294 }', '--define']
      const port = `listener_port=${LISTENER_PORT}`
      await stage.nft(...everyone, port, '--file', resolve('deploy/redirect/redirect.nft'))
      const { stdout } = await stage.curl('--http1.1', '-w', '%{http_code}', `http://${PLAIN}/`)
      expect(stdout).toMatch(/502$/)
      expect(await stage.load()).toMatchObject({ code: 0 })
      expect(await stage.rejections('loop')).toBeGreaterThan(0)
      const logged = () => stage.sidecar.lines().find((text) => text.includes('"reason":"loop"'))
      await until(() => logged() !== undefined)
      expect(logged()).toContain('Exclude the user of the sidecar')
    })

    test('without the sidecar, connections are refused', async () => {
      stage.sidecar.process.kill('SIGKILL')
      await once(stage.sidecar.process, 'close')
      for (const version of ['-4', '-6']) {
        for (const scheme of ['http', 'https']) {
          expect(await stage.curl(version, `${scheme}://${NAMED}/`)).toMatchObject({ code: 7 })
        }
      }
    })
  },
)
