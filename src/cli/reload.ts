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
  /** The text of the configuration in use. */
  readonly text: string
  readonly logger: Logger
  /** Replaces settings of each configuration. */
  readonly adapt?: (config: Config) => Config
  /** Called with each configuration that has been loaded. */
  readonly onLoaded: (config: Config) => void
}

/**
 * Reloads the configuration file when it changes, and on SIGHUP. An invalid one is reported as by `check` and changes
 * nothing else. Returns a function that stops this.
 */
export function reloadOnChange(options: ReloadOptions): () => void {
  const { file, io, app, logger, adapt = (config: Config) => config, onLoaded } = options
  let lastText = options.text
  let problems: readonly string[] = []
  let last = Promise.resolve()
  let isQueued = false
  let isNextRequested = false

  const reload = async (isRequested: boolean): Promise<void> => {
    const read = await readText(file)
    // While the file is replaced it may be missing for a moment; only a SIGHUP reports that.
    if ('fault' in read && !isRequested) return
    if ('fault' in read) {
      refuse([read.fault], isRequested)
      return
    }
    if (read.text === lastText && problems.length === 0) {
      if (isRequested) app.unchanged()
      return
    }
    lastText = read.text
    const { result } = await loadText(read.text, file, io)
    if (!result.ok) {
      const found = result.problems.map((problem) => formatProblem(file, problem))
      refuse(found, isRequested)
      return
    }
    try {
      const config = adapt(result.config)
      const fixed = await app.reload(config, configVersion(read.text))
      problems = []
      onLoaded(config)
      logger.info({ config: file, version: configVersion(read.text) }, 'configuration reloaded')
      for (const warning of result.warnings) {
        logger.warn({ problem: formatProblem(file, warning) }, 'configuration warning')
      }
      if (fixed.length > 0) {
        logger.warn({ settings: fixed }, 'these settings need a restart to change')
      }
    } catch (cause) {
      refuse([toSidecarError(cause).message], isRequested)
    }
  }
  const refuse = (found: readonly string[], isRequested: boolean): void => {
    // An invalid file is retried, because the files that it refers to may change; the same problems are logged once.
    if (!isRequested && isDeepStrictEqual(found, problems)) return
    problems = found
    app.refuse(problems)
    logger.error({ config: file, problems }, 'configuration not reloaded: the file is not valid')
  }
  /**
   * Reloads run one at a time, so that the last one wins. At most one is queued, because it reads the latest content.
   */
  const queue = (isRequested: boolean): void => {
    isNextRequested ||= isRequested
    if (isQueued) return
    isQueued = true
    last = last.then(async () => {
      const requested = isNextRequested
      isQueued = false
      isNextRequested = false
      await reload(requested)
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
