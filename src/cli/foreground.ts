import { readFileSync } from 'node:fs'
import { isatty } from 'node:tty'

/**
 * Whether this process is in the foreground of a terminal. Then the terminal has sent SIGINT or SIGQUIT to its
 * children, too.
 */
export function isInForeground(): boolean {
  try {
    return isForegroundGroup(readFileSync('/proc/self/stat', 'utf8'))
  } catch {
    // Without /proc, as on macOS.
    return isatty(0)
  }
}

/** proc_pid_stat(5): after the name in parentheses: state, parent, group, session, terminal, foreground group. */
export function isForegroundGroup(stat: string): boolean {
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return group !== undefined && group === foreground
}
