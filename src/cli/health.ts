import { EXIT, type Io } from './io.ts'
import { readReadableConfig } from './read-config.ts'
import { requestAdmin } from './request-admin.ts'

/** `health`: requests a health endpoint of the running sidecar, for container health checks. */
export async function health(
  { file, page }: { readonly file: string; readonly page: string },
  io: Io,
): Promise<number> {
  const config = await readReadableConfig(file, io)
  if (config === undefined) return EXIT.configInvalid
  const response = await requestAdmin(config.admin, page)
  if ('fault' in response) {
    io.err(
      response.isTimeout
        ? `The admin listener did not respond: ${response.fault}\n`
        : 'Cannot reach the admin listener: is the sidecar running with this configuration?\n',
    )
    return EXIT.failed
  }
  io.out(response.body)
  return response.status === 200 ? EXIT.ok : EXIT.failed
}
