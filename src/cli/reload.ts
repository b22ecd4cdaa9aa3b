import { isDeepStrictEqual } from 'node:util'
import type { App } from '../app.ts'
import { formatProblem } from '../config/problem.ts'
import type { Config } from '../config/schema.ts'
import { systemClock } from '../lib/clock.ts'
import { watchFile } from '../lib/watch-file.ts'
import type { Logger } from '../observe/logger.ts'
import { toSidecarError } from '../errors.ts'
import type { Io } from './io.ts'
import { configVersion, loadText, readText } from './read-config.ts'

export type ReloadOptions = {
  readonly file: string
  readonly io: Io
  readonly app: Pick<App, 'reload' | 'refuse' | 'unchanged'>
  /** The text that is in use. */
  readonly text: string
  readonly logger: Logger
  /** Called with each configuration that is in use from now on. */
  readonly onLoaded: (config: Config) => void
}

/**
 * Puts the configuration file to use whenever it has changed, and on SIGHUP. One that can't be used
 * changes nothing, and is reported as `check` reports it. Returns a function that ends it.
 */
export function reloadOnChange(options: ReloadOptions): () => void {
  const { file, io, app, logger, onLoaded } = options
  let known = options.text
  let problems: readonly string[] = []
  let last = Promise.resolve()
  let isQueued = false
  let isNextAsked = false

  const reload = async (isAsked: boolean): Promise<void> => {
    const read = await readText(file)
    // Between two steps of a change there may be no file for a moment; who asks wants to know.
    if ('fault' in read && !isAsked) return
    if ('fault' in read) {
      refuse([read.fault], isAsked)
      return
    }
    if (read.text === known && problems.length === 0) {
      if (isAsked) app.unchanged()
      return
    }
    known = read.text
    const { result } = await loadText(read.text, file, io)
    if (!result.ok) {
      const found = result.problems.map((problem) => formatProblem(file, problem))
      refuse(found, isAsked)
      return
    }
    try {
      const fixed = await app.reload(result.config, configVersion(read.text))
      problems = []
      onLoaded(result.config)
      logger.info({ config: file, version: configVersion(read.text) }, 'configuration reloaded')
      for (const warning of result.warnings) {
        logger.warn({ problem: formatProblem(file, warning) }, 'configuration warning')
      }
      if (fixed.length > 0) {
        logger.warn({ settings: fixed }, 'these settings need a restart to change')
      }
    } catch (cause) {
      refuse([toSidecarError(cause).message], isAsked)
    }
  }
  const refuse = (found: readonly string[], isAsked: boolean): void => {
    // A file that was wrong is looked at again and again: what it names may have been put right.
    if (!isAsked && isDeepStrictEqual(found, problems)) return
    problems = found
    app.refuse(problems)
    logger.error({ config: file, problems }, 'configuration not reloaded: the file is not valid')
  }
  /**
   * One after the other, so that the last one wins. While one waits for its turn there is no need for
   * another: it will read what is in the file then.
   */
  const queue = (isAsked: boolean): void => {
    isNextAsked ||= isAsked
    if (isQueued) return
    isQueued = true
    last = last.then(async () => {
      const asked = isNextAsked
      isQueued = false
      isNextAsked = false
      await reload(asked)
    })
  }

  const onHangup = (): void => queue(true)
  process.on('SIGHUP', onHangup)
  const endWatch = watchFile(file, systemClock, () => queue(false))
  return () => {
    process.off('SIGHUP', onHangup)
    endWatch()
  }
}
