import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'
import { startProgram } from '../helpers/sidecar.ts'

test.runIf(process.platform === 'linux')(
  'the thread that serves requests goes before those in which V8 compiles and collects',
  async () => {
    const origin = await startServer((_req, res) => void res.end())
    const program = await startProgram(forwardConfig(origin))
    const pid = String(program.process.pid)
    const nicenesses = new Map<string, number[]>()
    for (const thread of await readdir(`/proc/${pid}/task`)) {
      const [, name = '', rest = ''] =
        /\((.*)\) (.*)/s.exec(await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8')) ?? []
      // The nineteenth of proc_pid_stat(5); the name is the second.
      const niceness = Number(rest.split(' ')[16])
      nicenesses.set(name, [...(nicenesses.get(name) ?? []), niceness])
    }
    const main = await readFile(`/proc/${pid}/comm`, 'utf8')
    expect(nicenesses.get(main.trim())).toEqual([0])
    expect(new Set(nicenesses.get('node-V8Worker'))).toEqual(new Set([10]))
  },
)
