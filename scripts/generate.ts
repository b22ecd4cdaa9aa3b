import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { renderGenerated } from './generated.ts'
import { renderNotices } from './third-party-notices.ts'

/** `npm run generate`: writes the files that are generated from the configuration schema, the metrics, the dashboard and the licences. */
const top = join(import.meta.dirname, '..')
const notices = { path: 'THIRD-PARTY-NOTICES', text: await renderNotices() }
for (const { path, text } of [...renderGenerated(), notices]) {
  await writeFile(join(top, path), text)
}
