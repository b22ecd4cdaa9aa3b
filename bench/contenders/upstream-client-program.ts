import { readFileSync } from 'node:fs'
import { startApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import { createFileReader } from '../../src/config/read-file.ts'
import { createLog } from '../../src/observe/logger.ts'
import { upstreamClient } from '../../test/helpers/upstream-client.ts'

// Runs the sidecar from source with the HTTP client named by UPSTREAM_CLIENT.
const [, , configFile = ''] = process.argv
const places = { env: process.env, readFile: createFileReader('.') }
const loaded = await loadConfig(readFileSync(configFile, 'utf8'), places)
if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
const log = createLog({ level: 'info', format: 'json', destination: 1 })
const app = await startApp({
  config: loaded.config,
  configVersion: '',
  places,
  logger: log.logger,
  openUpstream: upstreamClient,
})
log.logger.info({ listen: app.proxyUrl, admin: app.adminUrl }, 'listening')
log.flush()
process.once('SIGTERM', () => void app.close())
