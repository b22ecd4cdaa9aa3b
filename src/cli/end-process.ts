/**
 * Requests that occupy a thread of libuv's pool. `process.exit` joins these threads, so a DNS lookup
 * without a response or a file on an unreachable server would keep the process alive.
 */
const POOL_REQUEST = /^(?:FSReq|GetAddrInfo|GetNameInfo|FileHandleCloseReq)/

/** Ends the process immediately, without waiting for pending work. */
export function endProcess(code: number): never {
  if (process.getActiveResourcesInfo().some((name) => POOL_REQUEST.test(name))) {
    try {
      // Replacing the program ends its threads without waiting for them, and keeps the exit code.
      process.execve?.(process.execPath, [process.execPath, '-e', `process.exit(${code})`], {})
    } catch {
      // Not permitted here.
    }
    process.kill(process.pid, 'SIGKILL')
  }
  process.exit(code)
}
