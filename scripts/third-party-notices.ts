import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { rolldown } from 'rolldown'
import bundle from '../rolldown.config.ts'
import * as z from 'zod'

type Library = {
  readonly name: string
  readonly version: string
  readonly licence: string
  /** The licence texts that must be distributed with it. */
  readonly texts: readonly string[]
}

const manifest = z.object({ name: z.string(), version: z.string(), license: z.string() })

/** The notices of all libraries in the bundle. */
export async function renderNotices(): Promise<string> {
  const sections = librariesOf(await bundledModules()).map(({ name, version, licence, texts }) =>
    [`${name} ${version} (${licence})`, ...texts.map((text) => text.trim())].join('\n\n'),
  )
  return `${[PREAMBLE, ...sections].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}

/** The modules in the bundle, after tree shaking. */
async function bundledModules(): Promise<string[]> {
  const { input, platform, transform } = bundle
  const build = await rolldown({
    ...(input !== undefined && { input }),
    ...(platform !== undefined && { platform }),
    ...(transform !== undefined && { transform }),
  })
  try {
    const { output } = await build.generate({ format: 'esm', codeSplitting: false })
    return output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
  } finally {
    await build.close()
  }
}

/** The packages of modules, sorted by name. Fails for a package without a licence. */
export function librariesOf(modules: readonly string[]): Library[] {
  const directories = Map.groupBy(modules, packageDirectory)
  directories.delete(undefined)
  return [...directories]
    .flatMap(([directory, files]) => (directory === undefined ? [] : [library(directory, files)]))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
}

/** The package directory of a module; undefined for a module of this repository. */
function packageDirectory(file: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]
}

function library(directory: string, files: readonly string[]): Library {
  const { name, version, license } = manifest.parse(
    JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')),
  )
  const texts = licenceFiles(directory, files).map((file) => readFileSync(file, 'utf8'))
  if (name === '@redis/client') texts.push(REDIS_CLIENT)
  if (texts.length === 0)
    throw new Error(`Cannot find the licence of "${name}": it has no such file`)
  const parts = name === 'undici' ? [LLHTTP] : []
  return { name, version, licence: license, texts: [...texts, ...parts] }
}

/** The licence files of the package and of the directories of the bundled files: undici contains other projects. */
function licenceFiles(directory: string, files: readonly string[]): string[] {
  const folders = new Set(['.'])
  for (const file of files) {
    let folder = dirname(relative(directory, file))
    while (!folders.has(folder)) {
      folders.add(folder)
      folder = dirname(folder)
    }
  }
  return [...folders]
    .toSorted()
    .flatMap((folder) => globSync(join(directory, folder, '{LICEN[CS]E,NOTICE,COPYING}{,.*}')))
}

const PREAMBLE = `Made by "npm run generate" from what the bundle holds. Do not edit.

token-sidecar is licensed under Apache-2.0: see LICENSE. Its one file, dist/cli.js, contains the
following libraries, whose licences ask that these notices travel with it. The container image also
contains Node.js, whose notices are in /usr/local/LICENSE of the image.`

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a
copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including
without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the
following conditions:

The above copyright notice and this permission notice shall be included
in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS
OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN
NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE
USE OR OTHER DEALINGS IN THE SOFTWARE.`

/** undici contains llhttp as WebAssembly, without its notice. */
const LLHTTP = `undici contains llhttp, which is licensed as follows:

This software is licensed under the MIT License.

Copyright Fedor Indutny, 2018.

${MIT}`

/** The package does not contain the licence of its repository. */
const REDIS_CLIENT = `MIT License

Copyright (c) 2022-2025, Redis, inc.

${MIT}`
