import { formatProblem, type Problem } from '../config/problem.ts'
import { excerptOf } from './excerpt.ts'
import type { Paint } from './paint.ts'

/** Formats a problem, followed by a note. */
export type ShowProblem = (problem: Problem, note?: string) => string

/** One line, for programs and logs. */
export function createPlainShow(file: string): ShowProblem {
  return (problem, note = '') => `${formatProblem(file, problem)}${note}\n`
}

/** In colour, with an excerpt of the file. */
export function createTerminalShow(file: string, text: string, paint: Paint): ShowProblem {
  return (problem, note = '') => {
    const { line, column, path, message } = problem
    const place = paint('cyan', `${file}:${line}:${column}`)
    const key = path === '' ? '' : `${paint('bold', path)}: `
    const [written, pointer] = excerptOf(text, problem)
    const below =
      written === undefined || pointer === undefined
        ? ''
        : `      ${paint('dim', written)}\n      ${paint('red', pointer)}\n`
    return `${place} ${key}${message}${note === '' ? '' : paint('yellow', note)}\n${below}`
  }
}
