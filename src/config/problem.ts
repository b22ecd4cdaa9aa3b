/** A problem of a configuration file, with its position. Lines and columns count from 1. */
export type Problem = {
  readonly line: number
  readonly column: number
  /** The key's path as a person writes it, such as `routes[0].upstream`; empty for the whole file. */
  readonly path: string
  readonly message: string
}

export type KeyPath = readonly PropertyKey[]

export function formatKeyPath(path: KeyPath): string {
  return path
    .map((key) => {
      if (typeof key === 'number') return `[${key}]`
      return isPlainKey(String(key)) ? `.${String(key)}` : '[…]'
    })
    .join('')
    .replace(/^\./, '')
}

/** Whether a key is a plain name; anything else may be part of a secret, by a syntax error. */
export function isPlainKey(key: string): boolean {
  return /^[\w.-]{1,40}$/.test(key)
}

/** `sidecar.yaml:8:13 credentials.github.refresh: expected …`, a form that editors can jump to. */
export function formatProblem(file: string, { line, column, path, message }: Problem): string {
  return `${file}:${line}:${column} ${path === '' ? '' : `${path}: `}${message}`
}
