import type { MetricDefinition } from './metric-definition.ts'
import { readProcess } from './process-reading.ts'
import type { ReloadMetrics } from './reload-metrics.ts'

export type ProcessFigures = {
  readonly version: string
  readonly droppedLogLines?: () => number
  readonly descriptorFailures?: () => number
  /** Infinity where it is not known. */
  readonly descriptorLimit?: number
}

/** The metrics of the process and of its configuration. */
export function processMetricDefinitions(
  figures: ProcessFigures,
  reloads: ReloadMetrics,
): MetricDefinition[] {
  const { droppedLogLines = () => 0, descriptorFailures = () => 0 } = figures
  const { descriptorLimit = Infinity } = figures
  return [
    {
      name: 'token_sidecar_config_reloads_total',
      type: 'counter',
      help: 'Reloads of the configuration, after a change of the file or SIGHUP, by outcome',
      labels: ['outcome'],
      read: () =>
        [...reloads.read().outcomes].map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
    {
      name: 'token_sidecar_config_reload_success',
      type: 'gauge',
      help: '1 if the configuration file was valid when it was last read, else 0',
      labels: [],
      read: () => [{ labels: {}, value: Number(reloads.read().isGood) }],
    },
    {
      name: 'token_sidecar_config_reload_timestamp_seconds',
      type: 'gauge',
      help: 'Time at which the configuration in use was loaded, in seconds since 1970',
      labels: [],
      read: () => [{ labels: {}, value: reloads.read().loadedAtMs / 1000 }],
    },
    {
      name: 'token_sidecar_build_info',
      type: 'gauge',
      help: 'Version of the program and of Node; always 1',
      labels: ['version', 'node'],
      read: () => [{ labels: { version: figures.version, node: process.versions.node }, value: 1 }],
    },
    {
      name: 'token_sidecar_log_lines_dropped_total',
      type: 'counter',
      help: 'Log lines dropped because standard output could not be written: a full disk, a closed reader or one that does not read',
      labels: [],
      read: () => [{ labels: {}, value: droppedLogLines() }],
    },
    {
      name: 'token_sidecar_file_descriptor_failures_total',
      type: 'counter',
      help: 'Connections and files that could not be opened because no file descriptor was left (EMFILE, ENFILE); probed once a second',
      labels: [],
      read: () => [{ labels: {}, value: descriptorFailures() }],
    },
    {
      name: 'process_max_fds',
      type: 'gauge',
      help: 'Limit of open file descriptors of the process; absent if there is none',
      labels: [],
      read: () =>
        Number.isFinite(descriptorLimit) ? [{ labels: {}, value: descriptorLimit }] : [],
    },
    ...readProcess().map(({ name, type, help, read }): MetricDefinition => ({
      name,
      type,
      help,
      labels: [],
      read: () => [{ labels: {}, value: read() }],
    })),
  ]
}
