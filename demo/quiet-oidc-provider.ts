/*
 * oidc-provider warns about every Node that is not a long-term support release yet, at the moment
 * of its import and only on the console. The demo is about something else.
 */
const UNWANTED = 'oidc-provider WARNING: Unsupported runtime.'

export const { errors, Provider } = await importQuietly()

async function importQuietly() {
  // oxlint-disable no-console
  const { warn } = console
  console.warn = (...args: unknown[]) => {
    if (!String(args[0]).includes(UNWANTED)) warn(...args)
  }
  try {
    return await import('oidc-provider')
  } finally {
    console.warn = warn
  }
  // oxlint-enable no-console
}
