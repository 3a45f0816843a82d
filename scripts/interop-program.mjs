// Runs the real program over a throw-away directory, with its provider on loopback.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PROPERTY, serviceAccountKey } from './interop-answers.mjs'

export const FIELDS = {
  github: (repository) => ({ credentials: { token: `ghp_${'0'.repeat(36)}` }, settings: { repositories: [repository] } }),
  stripe: () => ({ credentials: { api_key: `rk_test_${'0'.repeat(32)}` }, settings: {} }),
  vercel: () => ({ credentials: { token: 'interop'.repeat(4) }, settings: { team: 'acme' } }),
  'google-analytics': () => ({ credentials: { service_account: serviceAccountKey() }, settings: { property: PROPERTY } }),
}

// Calls `use` with a function that runs `dashtray ARGS --json` and gives { status, json, errors }.
export async function withProgram(binary, id, url, now, use) {
  const data = mkdtempSync(join(tmpdir(), 'dashtray-interop-'))
  const environment = { ...process.env, [`DASHTRAY_PROVIDER_URL_${id.toUpperCase().replaceAll('-', '_')}`]: url }
  if (now) environment.DASHTRAY_NOW = now
  const run = (...args) =>
    new Promise((done) => {
      const all = ['--data-dir', data, ...args, '--json']
      execFile(binary, all, { env: environment, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        let json = null
        try {
          json = JSON.parse(stdout)
        } catch {}
        done({ status: error ? (error.code ?? 1) : 0, json, errors: stderr.trim() })
      })
    })
  const connect = (fields) => {
    const file = join(data, 'fields.json')
    writeFileSync(file, JSON.stringify(fields), { mode: 0o600 })
    return run('connect', id, '--name', 'interop', '--credentials', file)
  }
  try {
    return await use({ run, connect })
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}
