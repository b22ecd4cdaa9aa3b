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

/** A parsed YAML file with the positions of its keys and values. */
export type YamlSource = {
  /** Plain data with environment variables replaced; undefined if the text is not valid YAML. */
  readonly data: unknown
  /** Syntax errors, and variables that are not set. */
  readonly problems: readonly PlacedProblem[]
  /**
   * With `keepsUnset`: the marker in `data` for each text with a variable that is not set, and the problem to report
   * if the variable is required.
   */
  readonly unset: ReadonlyMap<string, PlacedProblem>
  /** Whether the text is valid YAML without ambiguities. */
  readonly isSound: boolean
  /** The position of a value; for a missing one, of the map or list that it is missing from. */
  locate(path: KeyPath): Position
  /** The same, but for a value within an alias the position of the alias. */
  locateUse(path: KeyPath): Position
  /** The position of a key. */
  locateKey(path: KeyPath): Position
  /** The value as written, without replacing variables; undefined if there is none. */
  describe(path: KeyPath): string | undefined
  /** The text of a plain scalar as written, such as `0x10` or `null`. */
  plainText(path: KeyPath): string | undefined
}

export type PlacedProblem = Position & { readonly message: string }
type Environment = Readonly<Record<string, string | undefined>>
type Place = { node: Node | null; keyOffset: number | undefined }
type YamlProblem = { readonly offset: number; readonly message: string }

export type ReadYamlOptions = {
  /** Whether variables that are not set are returned in `unset` instead of being problems. */
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

  // Errors after the first one are unreliable, because the parser has to guess.
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

  /** Follows a path as far as the file has it. */
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
    unset: new Map(unset.map(([marker, problem]) => [marker, placed(problem)])),
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

/** Replaces variables, and reports those that cannot be replaced. */
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
        const marker = `\0unset ${unset.length}\0`
        node.value = marker
        unset.push([marker, first])
      } else problems.push(...absent)
    },
  })
  return { problems, unset }
}

/** The secret may have been written in place of the name, so only a conventional name is quoted. */
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

/** Applies merge keys, so that only they are reported and not the keys that would be missing without them. */
function resolveMergeKeys(document: Document.Parsed): YamlProblem[] {
  const problems: YamlProblem[] = []
  visit(document, {
    Map(_key, map) {
      for (const pair of map.items.filter(({ key }) => isMergeKey(key))) {
        problems.push({
          offset: (isScalar(pair.key) ? pair.key.range?.[0] : undefined) ?? 0,
          message:
            'expected no merge key: YAML 1.2 does not have "<<"; use "defaults" for what routes or credentials have in common',
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
          'expected the name of an anchor that is defined above; a text that starts with "*" needs quotes'
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

/** Excessive aliases (a “billion laughs” attack) make the conversion fail. */
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
