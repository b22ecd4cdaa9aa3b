/**
 * Why this Node can't run the sidecar; undefined when it can. Older ones let an application
 * desynchronise the connection to the upstream (CVE-2026-58044): with a token on it, that is fatal.
 */
export function unsupportedNode(version: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const isSupported =
    major === 24
      ? isAtLeast([minor, patch], [18, 1])
      : major > 26 || (major === 26 && isAtLeast([minor, patch], [5, 1]))
  return isSupported
    ? undefined
    : `token-sidecar needs Node 24.18.1 or newer, or 26.5.1 or newer; this is Node ${version}, which has known vulnerabilities. Install a newer Node, or use the container image, which brings its own.`
}

function isAtLeast(
  [minor, patch]: [number, number],
  [minMinor, minPatch]: [number, number],
): boolean {
  return minor > minMinor || (minor === minMinor && patch >= minPatch)
}
