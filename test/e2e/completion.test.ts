import { execFileSync } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'

const CONFIG = `credentials:
  corp: { issuer: https://a.example, clientId: a, auth: { clientSecret: { env: NOT_SET } } }
  partner: { issuer: https://b.example, clientId: b, auth: { clientSecret: { env: NOT_SET } } }
routes:
  - { name: a, match: { path: /a }, upstream: 'https://a.example', credential: corp }
  - { name: b, match: { path: /b }, upstream: 'https://b.example', credential: partner }
`

/** A directory with a configuration and a few files in it, and the program on the PATH. */
async function workplace() {
  const directory = await temporaryDirectory()
  const bin = join(directory, 'bin')
  await mkdir(bin)
  const bundle = join(import.meta.dirname, '../../dist/cli.js')
  const program = join(bin, 'token-sidecar')
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${bundle}' "$@"\n`)
  await chmod(program, 0o755)
  await writeFile(join(directory, 'token-sidecar.yaml'), CONFIG)
  await writeFile(join(directory, 'other.yaml'), CONFIG.replaceAll('partner', 'else'))
  await writeFile(join(directory, 'a file.yaml'), '')
  const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, HOME: directory, TERM: 'dumb' }
  return (shell: string, args: readonly string[]): string =>
    execFileSync(shell, args, { cwd: directory, env, encoding: 'utf8', timeout: 20_000 })
}

const COMMANDS = ['run', 'check', 'token', 'explain', 'schema', 'init', 'health', 'completion']

const COMPLETIONS: readonly { words: string[]; offers: string[] }[] = [
  { words: [''], offers: COMMANDS },
  { words: ['ch'], offers: ['check'] },
  { words: ['check', '--l'], offers: ['--live'] },
  {
    words: ['check', '--live', '--'],
    offers: ['--config', '--live', '--offline', '--json', '--help'],
  },
  { words: ['--ver'], offers: ['--version'] },
  { words: ['token', ''], offers: ['corp', 'partner'] },
  { words: ['token', '-c', 'other.yaml', ''], offers: ['corp', 'else'] },
  { words: ['token', '-c', 'other.yaml', 'e'], offers: ['else'] },
  { words: ['token', '-c', 'none.yaml', ''], offers: [] },
  { words: ['explain', 'P'], offers: ['POST', 'PUT', 'PATCH'] },
  { words: ['explain', '-c', 'other.yaml', 'D'], offers: ['DELETE'] },
  { words: ['completion', ''], offers: ['bash', 'zsh', 'fish'] },
  { words: ['check', '-c', 'ot'], offers: ['other.yaml'] },
  { words: ['-c', 'ot'], offers: ['other.yaml'] },
  { words: ['init', 'a'], offers: ['a file.yaml'] },
  { words: ['init', '--client-secret-file', 'ot'], offers: ['other.yaml'] },
  { words: ['init', '--issuer', ''], offers: [] },
  { words: ['schema', ''], offers: [] },
]

const [bash] = findPrograms('bash')

test.skipIf(bash === undefined && MAY_SKIP).for([
  ...COMPLETIONS,
  { words: ['explain', 'GET', ''], offers: [] },
  { words: ['token', 'corp', ''], offers: [] },
  // As bash cuts "--config=other.yaml" and "-c=".
  { words: ['check', '--config', '=', 'ot'], offers: ['other.yaml'] },
  {
    words: ['check', '--config', '='],
    offers: ['a file.yaml', 'bin', 'other.yaml', 'token-sidecar.yaml'],
  },
  { words: ['init', '--issuer', '=', 'x', 'ot'], offers: ['other.yaml'] },
])(
  'bash completes $words to $offers (skipped where there is no bash)',
  async ({ words, offers }) => {
    const run = await workplace()
    const script = `eval "$(token-sidecar completion bash)"
    COMP_WORDS=(token-sidecar "$@"); COMP_CWORD=$#
    _token_sidecar
    for word in "\${COMPREPLY[@]}"; do printf '%s\\n' "$word"; done`
    const out = run(bash ?? 'bash', ['--norc', '-c', script, 'bash', ...words])
    const offered = out.split('\n').filter((line) => line !== '')
    // Short options are offered, too.
    expect(new Set(offered.filter((word) => !/^-\w$/.test(word)))).toEqual(new Set(offers))
  },
)

test.skipIf(bash === undefined && MAY_SKIP)(
  'bash is told what completes the program (skipped where there is no bash)',
  async () => {
    const run = await workplace()
    const out = run(bash ?? 'bash', [
      '--norc',
      '-c',
      'eval "$(token-sidecar completion bash)"; complete -p token-sidecar',
    ])
    expect(out).toBe('complete -F _token_sidecar token-sidecar\n')
  },
)

const [fish] = findPrograms('fish')

test.skipIf(fish === undefined && MAY_SKIP).for(COMPLETIONS)(
  'fish completes $words to $offers (skipped where there is no fish)',
  async ({ words, offers }) => {
    const run = await workplace()
    const line = ['token-sidecar', ...words].join(' ')
    const script = `token-sidecar completion fish | source; complete -C '${line}'`
    const offered = run(fish ?? 'fish', ['--no-config', '-c', script])
      .split('\n')
      .filter((word) => word !== '')
      .map((word) => word.split('\t')[0]?.replaceAll('\\', '') ?? '')
    expect(new Set(offered.filter((word) => !/^-\w$/.test(word)))).toEqual(new Set(offers))
  },
)

const [zsh] = findPrograms('zsh')

test.skipIf(zsh === undefined && MAY_SKIP).for(
  // What is offered is put into the line only where there is one thing to offer.
  COMPLETIONS.filter(({ offers }) => offers.length === 1),
)('zsh completes $words to $offers (skipped where there is no zsh)', async ({ words, offers }) => {
  const run = await workplace()
  const script = `
    zmodload zsh/zpty
    zpty z ${zsh ?? 'zsh'} -f -i
    zpty -w z 'PS1=; autoload -Uz compinit; compinit -D -u; eval "$(token-sidecar completion zsh)"; print READY'
    zpty -r z output $'*READY\\r\\n'
    zpty -w -n z $'token-sidecar ${words.join(' ')}\\t'
    zpty -w z $'\\x01print -r -- RESULT '
    zpty -r z output $'*\\nRESULT*\\n'
    print -r -- $output
    zpty -d z`
  const out = run(zsh ?? 'zsh', ['-f', '-c', script])
  const expected = ['token-sidecar', ...words.slice(0, -1), ...offers].join(' ')
  expect(out.replaceAll('\r', '')).toContain(`\nRESULT ${expected}\n`)
})

test('the script names every command and every option that the help shows', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, out, err } = await runCommand(['completion', shell])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const command of COMMANDS) {
      expect(out).toContain(command)
      const help = await runCommand([command, '--help'])
      for (const [, option = ''] of help.out.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)) {
        expect(out).toContain(option)
      }
    }
  }
})

test('the names of credentials are found though their secrets are not there', async () => {
  const file = await writeConfig(CONFIG)
  const words = ['token-sidecar', 'token', '--config', file, '--reveal']
  expect(await runCommand(['complete-credentials', '--', ...words])).toEqual({
    code: 0,
    out: 'corp\npartner\n',
    err: '',
  })
  const env = { TOKEN_SIDECAR_CONFIG: file }
  expect((await runCommand(['complete-credentials', '--', 'token'], env)).out).toContain('corp\n')
})
