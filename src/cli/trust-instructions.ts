import type { BundlePaths } from '../compose/interception-authority.ts'
import { type Runtime, RUNTIMES } from './runtimes.ts'

/** How a runtime is configured to trust the CA. */
export type TrustInstruction = {
  readonly runtime: string
  /** The variable, or what to do instead of setting one. */
  readonly setting: string
}

/** One instruction for each runtime for which the files exist. */
export function trustInstructions(bundle: BundlePaths): TrustInstruction[] {
  return RUNTIMES.flatMap((runtime) => {
    const setting = settingOf(runtime, bundle)
    return setting === undefined ? [] : [{ runtime: runtime.name, setting }]
  })
}

function settingOf(
  { trust }: Runtime,
  { pem, pkcs12, password, wgetrc }: BundlePaths,
): string | undefined {
  switch (trust.kind) {
    case 'variables': {
      // The first one takes precedence over the others.
      return pem && `${trust.names[0] ?? ''}=${pem}`
    }
    case 'wgetrc': {
      return wgetrc ? `WGETRC=${wgetrc}` : pem && `"ca_certificate = ${pem}" in ~/.wgetrc`
    }
    case 'jvm': {
      return (
        pkcs12 &&
        `JAVA_TOOL_OPTIONS="-Djavax.net.ssl.trustStore=${pkcs12} -Djavax.net.ssl.trustStorePassword=${password}"`
      )
    }
    case 'none': {
      return trust.instead
    }
  }
}
