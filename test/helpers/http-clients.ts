import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { temporaryDirectory } from './sidecar.ts'
import { findPrograms } from './tools.ts'

export type Outcome = {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

type RunOptions = {
  readonly env?: Readonly<Record<string, string>>
  /** The standard input of the program. */
  readonly input?: Buffer
}

/** Runs a program to its end. */
export async function run(
  program: string,
  args: readonly string[],
  { env = {}, input }: RunOptions = {},
): Promise<Outcome> {
  const { PATH, HOME } = process.env
  const child = spawn(program, args, { env: { PATH, HOME, ...env } })
  onTestFinished(() => void child.kill('SIGKILL'))
  // The program may end before it has read its input.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, out, err }
}

type Call = {
  readonly url: string
  /** The port of the HTTP proxy on 127.0.0.1. */
  readonly proxyPort: string | undefined
  /** Its content is sent with POST. */
  readonly bodyFile?: string
}

/** A program that follows redirects, and prints the response body to stdout and header fields to stderr. */
export type HttpClient = {
  readonly name: string
  readonly isInstalled: boolean
  /** Whether it may be missing even with REQUIRE_TOOLS. */
  readonly isOptional: boolean
  readonly call: (call: Call) => Promise<Outcome>
}

const PYTHON = `
import sys, urllib.request
url, *files = sys.argv[1:]
data = open(files[0], 'rb').read() if files else None
with urllib.request.urlopen(url, data) as response:
    print(response.headers, file=sys.stderr)
    sys.stdout.write(response.read().decode())
`

const JAVA = `
import java.net.*;
import java.nio.file.*;

class Client {
  public static void main(String[] args) throws Exception {
    var connection = (HttpURLConnection) new URL(args[0]).openConnection();
    if (args.length > 1) {
      connection.setDoOutput(true);
      Files.copy(Path.of(args[1]), connection.getOutputStream());
    }
    connection.getInputStream().transferTo(System.out);
    System.err.println(connection.getHeaderFields());
  }
}
`

export const HTTP_CLIENTS: readonly HttpClient[] = [
  {
    name: 'curl',
    isInstalled: findPrograms('curl').length > 0,
    isOptional: false,
    async call({ url, proxyPort, bodyFile }) {
      const body = bodyFile === undefined ? [] : ['--data-binary', `@${bodyFile}`]
      const args = ['--silent', '--verbose', '--location', ...body, url]
      return await run('curl', args, { env: proxyVariable(proxyPort) })
    },
  },
  {
    name: 'wget',
    isInstalled: findPrograms('wget').length > 0,
    isOptional: false,
    async call({ url, proxyPort, bodyFile }) {
      const body = bodyFile === undefined ? [] : [`--post-file=${bodyFile}`]
      const args = ['--debug', '--tries=1', '--output-document=-', ...body, url]
      return await run('wget', args, { env: proxyVariable(proxyPort) })
    },
  },
  {
    name: 'urllib of Python',
    isInstalled: findPrograms('python3').length > 0,
    isOptional: false,
    async call({ url, proxyPort, bodyFile = [] }) {
      const args = ['-c', PYTHON, url].concat(bodyFile)
      return await run('python3', args, { env: proxyVariable(proxyPort) })
    },
  },
  {
    name: 'HttpURLConnection of Java',
    // Running a source file needs the compiler, too.
    isInstalled: findPrograms('java').length > 0 && findPrograms('javac').length > 0,
    isOptional: true,
    async call({ url, proxyPort, bodyFile = [] }) {
      const source = join(await temporaryDirectory(), 'Client.java')
      await writeFile(source, JAVA)
      const proxy =
        proxyPort === undefined
          ? []
          : ['-Dhttp.proxyHost=127.0.0.1', `-Dhttp.proxyPort=${proxyPort}`]
      return await run('java', [...proxy, source, url].concat(bodyFile))
    },
  },
]

/** In lower case, because curl ignores HTTP_PROXY, which a client can set for CGI scripts. */
function proxyVariable(port: string | undefined): Record<string, string> {
  return port === undefined ? {} : { http_proxy: `http://127.0.0.1:${port}` }
}
