import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { renderGenerated } from './generated.ts'

/** `npm run generate`: writes what is made from the configuration's schema, and the dashboard. */
const top = join(import.meta.dirname, '..')
for (const { path, text } of renderGenerated()) {
  await writeFile(join(top, path), text)
}
