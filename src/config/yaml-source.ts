import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import { closest } from '../lib/closest.ts'
import { interpolate } from './interpolate.ts'
import type { KeyPath } from './problem.ts'
import { isQuotableKey, isQuotableVariable } from './quotable.ts'
import { yamlMessage } from './yaml-messages.ts'

type Position = { readonly line: number; readonly column: number }

/** A YAML file that still knows where everything in it stands. */
export type YamlSource = {
  /** Plain data with environment variables filled in; undefined where the text is no YAML at all. */
  readonly data: unknown
  /** What keeps the text from being YAML, and variables that are not set. */
  readonly problems: readonly PlacedProblem[]
  /**
   * Where variables that are not set are not problems yet: what stands in `data` in the place of each text
   * with one, and the problem that it would be.
   */
  readonly unset: ReadonlyMap<string, PlacedProblem>
  /** Whether the text is YAML that can be understood in one way only. */
  readonly isSound: boolean
  /** Where a value stands; for one that is missing, where the thing stands that lacks it. */
  locate(path: KeyPath): Position
  /** The same, but for a value within an alias the place of the alias. */
  locateUse(path: KeyPath): Position
  /** Where a key stands. */
  locateKey(path: KeyPath): Position
  /** What the file says there, as written, without the values of variables; undefined if nothing. */
  describe(path: KeyPath): string | undefined
  /** The text of a plain scalar as written, such as `0x10` or `null`. */
  plainText(path: KeyPath): string | undefined
}

export type PlacedProblem = Position & { readonly message: string }
type Environment = Readonly<Record<string, string | undefined>>
type Place = { node: Node | null; keyOffset: number | undefined }
type YamlProblem = { readonly offset: number; readonly message: string }

export type ReadYamlOptions = {
  /** Whether a variable that is not set is left to the caller instead of being a problem. */
  readonly keepsUnset?: boolean
  /** Whether a key is one of the schema, so that messages may quote it. */
  readonly isKnownKey?: (key: string) => boolean
}

export function readYaml(
  original: string,
  env: Environment,
  { keepsUnset = false, isKnownKey = () => false }: ReadYamlOptions = {},
): YamlSource {
  const text = original.replace(/^\uFEFF/, '')
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    logLevel: 'error',
  })
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }

  // Behind the first error the parser guesses, and what it says is no help.
  const fatal = document.errors.find(({ code }) => code !== 'DUPLICATE_KEY')
  const minor = [...document.errors, ...document.warnings]
  const duplicates = fatal === undefined ? duplicateKeys(document, positionOf, isKnownKey) : []
  const syntax: YamlProblem[] = [
    ...(fatal === undefined ? minor : [fatal])
      .filter(({ code }) => code !== 'DUPLICATE_KEY')
      .map((error) => ({ offset: error.pos[0], message: yamlMessage(error, text) })),
    ...duplicates,
  ]
  const unknownAliases = fatal === undefined ? invalidAliases(document) : []
  const isReadable = fatal === undefined && unknownAliases.length === 0
  const mergeKeys = isReadable ? resolveMergeKeys(document) : []
  const { problems: unfilled, unset } =
    fatal === undefined ? fillVariables(document, env, keepsUnset) : { problems: [], unset: [] }
  const problems: YamlProblem[] = [...syntax, ...unknownAliases, ...mergeKeys, ...unfilled]

  const step = ({ node }: Place, key: PropertyKey): Place | undefined => {
    const container = isAlias(node) ? node.resolve(document) : node
    if (isMap(container)) {
      const pair = container.items.find((item) => isScalar(item.key) && item.key.value === key)
      if (pair === undefined || !isScalar(pair.key)) return undefined
      return { node: isNode(pair.value) ? pair.value : null, keyOffset: pair.key.range?.[0] }
    }
    const item = isSeq(container) && typeof key === 'number' ? container.items[key] : undefined
    return isNode(item) ? { node: item, keyOffset: item.range?.[0] } : undefined
  }

  /** As deep along the path as the file goes. */
  const walk = (path: KeyPath): Place & { complete: boolean } => {
    let place: Place = { node: document.contents, keyOffset: undefined }
    for (const key of path) {
      const next = step(place, key)
      if (next === undefined) return { ...place, complete: false }
      place = next
    }
    return { ...place, complete: true }
  }

  const read = isReadable ? dataOf(document) : { data: undefined, problems: [] }
  const locate = (path: KeyPath): Position => {
    const { node, keyOffset, complete } = walk(path)
    const valueOffset = node?.range?.[0]
    return positionOf((complete ? (valueOffset ?? keyOffset) : (keyOffset ?? valueOffset)) ?? 0)
  }
  const placed = ({ offset, message }: YamlProblem): PlacedProblem => ({
    ...positionOf(offset),
    message,
  })
  return {
    data: read.data,
    problems: [...problems, ...read.problems].map(placed),
    unset: new Map(unset.map(([stand, problem]) => [stand, placed(problem)])),
    isSound: isReadable && syntax.length === 0 && mergeKeys.length === 0,
    locate,
    locateUse(path) {
      for (let length = 1; length < path.length; length += 1) {
        const { node } = walk(path.slice(0, length))
        if (isAlias(node)) return positionOf(node.range?.[0] ?? 0)
      }
      return locate(path)
    },
    locateKey(path) {
      const { node, keyOffset } = walk(path)
      return positionOf(keyOffset ?? node?.range?.[0] ?? 0)
    },
    describe(path) {
      const { node, complete } = walk(path)
      return complete ? describeNode(node) : undefined
    },
    plainText(path) {
      const { node, complete } = walk(path)
      return complete && isScalar(node) && node.type === 'PLAIN' ? node.source : undefined
    },
  }
}

/** Fills in the variables, and tells what can't be filled in. */
function fillVariables(
  document: Document.Parsed,
  env: Environment,
  keepsUnset: boolean,
): { readonly problems: YamlProblem[]; readonly unset: [string, YamlProblem][] } {
  const problems: YamlProblem[] = []
  const unset: [string, YamlProblem][] = []
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string') return
      const offset = node.range?.[0] ?? 0
      const { text, missing, malformed } = interpolate(node.value, env)
      node.value = text
      if (malformed) {
        problems.push({
          offset,
          message:
            'expected a variable such as "${NAME}" or "${NAME:-default}"; a literal "${" is written "$${"',
        })
      }
      const absent = missing.map((name) => ({ offset, message: unsetVariable(name, env) }))
      const [first] = absent
      if (keepsUnset && first !== undefined) {
        const placeholder = `\0unset ${unset.length}\0`
        node.value = placeholder
        unset.push([placeholder, first])
      } else problems.push(...absent)
    },
  })
  return { problems, unset }
}

/** A secret may have been put in the place of the name, so only a name like others is repeated. */
function unsetVariable(name: string, env: Environment): string {
  const meant = closest(name, Object.keys(env).filter(isQuotableVariable))
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
  return isQuotableVariable(name)
    ? `expected the environment variable ${name} to be set, or a default as in "\${${name}:-default}"${hint}`
    : `expected the name of an environment variable that is set, or a default as in "\${NAME:-default}"${hint}`
}

function duplicateKeys(
  document: Document.Parsed,
  positionOf: (offset: number) => Position,
  isKnownKey: (key: string) => boolean,
): YamlProblem[] {
  const problems: YamlProblem[] = []
  visit(document, {
    Map(_key, { items }) {
      const firstOffsets = new Map<unknown, number>()
      for (const { key } of items) {
        if (!isScalar(key)) continue
        const offset = key.range?.[0] ?? 0
        const first = firstOffsets.get(key.value)
        if (first === undefined) {
          firstOffsets.set(key.value, offset)
          continue
        }
        const name = String(key.value)
        const isPublic = isKnownKey(name) || isQuotableKey(name) || name === '<<'
        const which = isPublic ? `"${name}"` : 'this one'
        const message = `expected each key once; ${which} is also on line ${positionOf(first).line}`
        problems.push({ offset, message })
      }
    },
  })
  return problems
}

/**
 * Does what a merge key is meant to do, so that it is the only problem that is reported: without it,
 * every key that it brings would be missing.
 */
function resolveMergeKeys(document: Document.Parsed): YamlProblem[] {
  const problems: YamlProblem[] = []
  visit(document, {
    Map(_key, map) {
      for (const pair of map.items.filter(({ key }) => isMergeKey(key))) {
        problems.push({
          offset: (isScalar(pair.key) ? pair.key.range?.[0] : undefined) ?? 0,
          message:
            'expected no merge key: YAML 1.2 does not have "<<"; "defaults" says once what routes or credentials have in common',
        })
        map.items.splice(map.items.indexOf(pair), 1)
        const value = resolved(pair.value, document)
        const sources = isSeq(value) ? value.items : [value]
        for (const source of sources
          .map((item) => resolved(item, document))
          .filter((item) => isMap(item))) {
          const names = new Set(map.items.map(({ key }) => isScalar(key) && key.value))
          for (const item of source.items) {
            if (isScalar(item.key) && !names.has(item.key.value) && !isMergeKey(item.key)) {
              map.items.push(document.createPair(item.key, item.value))
            }
          }
        }
      }
    },
  })
  return problems
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === '<<' && key.type === 'PLAIN'
}

function resolved(node: unknown, document: Document.Parsed): unknown {
  return isAlias(node) ? node.resolve(document) : node
}

function invalidAliases(document: Document.Parsed): YamlProblem[] {
  const problems: YamlProblem[] = []
  visit(document, {
    Alias(_key, node, ancestors) {
      const target = node.resolve(document)
      const offset = node.range?.[0] ?? 0
      if (target === undefined) {
        const message =
          'expected the name of an anchor that stands above; a text that starts with "*" needs quotes'
        problems.push({ offset, message })
      } else if (ancestors.includes(target)) {
        problems.push({
          offset,
          message: 'expected an alias of something that does not contain it',
        })
      }
    },
  })
  return problems
}

/** A bomb of aliases is only noticed when it goes off. */
function dataOf(document: Document.Parsed): { data: unknown; problems: YamlProblem[] } {
  try {
    return { data: document.toJS(), problems: [] }
  } catch {
    const message = 'expected fewer aliases: this many would not fit into memory'
    return { data: undefined, problems: [{ offset: 0, message }] }
  }
}

function describeNode(node: Node | null): string {
  if (isMap(node)) return 'a map'
  if (isSeq(node)) return 'a list'
  if (isAlias(node)) return 'an alias'
  if (!isScalar(node) || node.value === null) return 'nothing'
  const written = node.source ?? JSON.stringify(node.value)
  return typeof node.value === 'string'
    ? JSON.stringify(written)
    : `the ${typeof node.value} ${written}`
}
