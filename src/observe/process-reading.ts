type ProcessMetric = {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly read: () => number
}

/**
 * Metrics of the process, under the names that Prometheus clients have in common. They cost nothing between
 * scrapes: there is no observer of garbage collections and no timer.
 */
export function readProcess(): ProcessMetric[] {
  const startedAtSeconds = performance.timeOrigin / 1000
  let utilization = performance.eventLoopUtilization()
  return [
    {
      name: 'process_cpu_seconds_total',
      type: 'counter',
      help: 'CPU time spent, user and system',
      read() {
        const { user, system } = process.cpuUsage()
        return (user + system) / 1e6
      },
    },
    {
      name: 'process_resident_memory_bytes',
      type: 'gauge',
      help: 'Resident memory',
      read: () => process.memoryUsage.rss(),
    },
    {
      name: 'process_start_time_seconds',
      type: 'gauge',
      help: 'When the process started, in seconds since 1970',
      read: () => startedAtSeconds,
    },
    {
      name: 'token_sidecar_event_loop_utilization_ratio',
      type: 'gauge',
      help: 'Share of the time since the last scrape in which the event loop was busy; near 1, one core is saturated',
      read() {
        const current = performance.eventLoopUtilization()
        const { utilization: share } = performance.eventLoopUtilization(current, utilization)
        utilization = current
        return share
      },
    },
  ]
}
