import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { writeConfig } from '../helpers/cli.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'

const HAS_PRLIMIT = spawnSync('prlimit', ['--version']).status === 0

test.skipIf(!HAS_PRLIMIT)(
  'with 1,024 descriptors and 1,300 idle admin connections, the proxy and /readyz respond',
  async () => {
    const upstream = await startServer((_req, res) => void res.end('ok'))
    const file = await writeConfig(
      `listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n${forwardConfig(upstream)}`,
    )
    const command = ['--nofile=1024', process.execPath, 'dist/cli.js', 'run', '-c', file]
    const child = spawn('prlimit', command, { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await exited
    })
    const lines: string[] = []
    const listening = Promise.withResolvers<{ listen: string; admin: string }>()
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      if (line.includes('"message":"listening"')) listening.resolve(JSON.parse(line))
    })
    const { listen, admin } = await listening.promise
    const { hostname, port } = new URL(admin)
    const idle: Socket[] = []
    onTestFinished(() => idle.forEach((socket) => socket.destroy()))
    for (let opened = 0; opened < 1_300; opened += 1) {
      const socket = connect(Number(port), hostname).on('error', () => {})
      idle.push(socket)
      await once(socket, 'connect')
    }
    expect(await (await fetch(listen)).text()).toBe('ok')
    expect((await fetch(`${admin}/readyz`)).status).toBe(200)
    const metrics = await (await fetch(`${admin}/metrics`)).text()
    expect(metrics).toContain('\nprocess_max_fds 1024\n')
    expect(metrics).toContain('\ntoken_sidecar_file_descriptor_failures_total 0\n')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    const output = lines.join('\n')
    expect(output).toContain('too many admin connections: idle ones are closed')
    expect(output).toContain('connection limit reduced')
  },
)
