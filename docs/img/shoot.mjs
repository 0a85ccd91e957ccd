// Makes the pictures of the README from a demo of its own: go build -o /tmp/belfry ./cmd/belfry && node docs/img/shoot.mjs /tmp/belfry
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from '@playwright/test'

const password = 'correct horse battery staple'
const here = dirname(fileURLToPath(import.meta.url))
const data = mkdtempSync(join(tmpdir(), 'belfry-shoot-'))
const port = await new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address()
    probe.close(() => resolve(port))
  })
})
const url = `http://127.0.0.1:${port}`
const headers = { Authorization: `Basic ${btoa(`admin:${password}`)}`, 'Content-Type': 'application/json', Accept: 'application/json' }
const ask = async (path, body) => (await fetch(url + path, { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) })).json()
const until = async (what, seconds, holds) => {
  for (const end = Date.now() + seconds * 1000; !(await holds().catch(() => false)); await new Promise((again) => setTimeout(again, 250))) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`)
  }
}

const migrate = String.raw`printf '\033[1mMigrating orders\033[0m\n'
for i in 1 2 3 4 5 6 7 8; do printf '\033[32mok\033[0m    batch %d: 12500 rows copied\n' $i; done
printf '\033[33mwarn\033[0m  batch 9: 3 rows have no customer, kept aside\n'
for i in 10 11 12; do printf '\033[32mok\033[0m    batch %d: 12500 rows copied\n' $i; done
printf '\033[31merror\033[0m batch 13: connection to \033[36mdb-2.internal:5432\033[0m was refused\n' >&2
echo '      150000 of 200000 rows copied; the next attempt goes on from there' >&2
exit 3`

const server = spawn(process.argv[2], ['serve', '--demo', '--listen', `127.0.0.1:${port}`, '--data', data, '--drain-grace', '1s'], {
  env: { ...process.env, BELFRY_ADMIN_PASSWORD: password, DISPLAY: '', WAYLAND_DISPLAY: '' },
  stdio: 'ignore',
})
const ended = new Promise((resolve) => server.once('exit', resolve))
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  await until('the server', 30, async () => (await fetch(`${url}/health/readiness`)).ok)
  await ask('/jobs', { name: 'migrate-orders', display_name: 'Copy orders to the new database', schedule: '0 0 3 * * *', executor: 'shell', config: { command: migrate } })
  const { id } = await ask('/jobs/migrate-orders/run', {})
  await until('its failure', 20, async () => (await ask(`/executions/${id}`)).state === 'failed')
  // Until the bars of the list have something to say: every job of a schedule has run.
  await until('the jobs', 150, async () => (await ask('/executions?job=mail-report&state=succeeded')).items.length > 0 && (await ask('/executions?job=flaky-upload&state=succeeded')).items.length > 0)

  for (const [name, path, colorScheme] of [['jobs', '/jobs', 'light'], ['execution', `/executions/${id}`, 'dark']]) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 820 }, colorScheme, locale: 'en-GB', timezoneId: 'Europe/Berlin', reducedMotion: 'reduce' })
    const page = await context.newPage()
    await page.goto(`${url}/login?next=${encodeURIComponent(path)}`)
    await page.getByLabel('User').fill('admin')
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.waitForURL(url + path)
    await page.getByText('Copy orders to the new database').first().waitFor()
    if (name === 'execution') await page.getByText('150000 of 200000').first().waitFor()
    await page.evaluate(() => document.activeElement?.blur())
    await page.screenshot({ path: join(here, `${name}.png`) })
    await context.close()
  }
} finally {
  await browser.close()
  server.kill('SIGTERM')
  await ended
  rmSync(data, { recursive: true, force: true })
}
