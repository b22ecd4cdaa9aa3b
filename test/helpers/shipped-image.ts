import { readFileSync } from 'node:fs'

/** The properties of the image that deployments depend on. */
export function readImage(dockerfile = readFileSync('Dockerfile', 'utf8')) {
  const found = (pattern: RegExp): string => {
    const value = pattern.exec(dockerfile)?.[1]
    if (value === undefined) throw new Error(`Cannot read the Dockerfile: no ${pattern.source}`)
    return value
  }
  return {
    version: found(/image\.version="([^"]+)"/),
    configFile: found(/^ENV TOKEN_SIDECAR_CONFIG=(\S+)$/m),
    user: Number(found(/^USER (\d+):\d+$/m)),
    group: Number(found(/^USER \d+:(\d+)$/m)),
    ports: found(/^EXPOSE ([\d ]+)$/m)
      .split(' ')
      .map(Number),
  }
}
