import type { Page } from '@playwright/test'
import { LiveView } from './harness/live.ts'
import { adminPassword, Server } from './harness/server.ts'
import { cookiesOf, expect, expectUsable, fillLogin, openPart, openPartOf, test } from './harness/test.ts'

// Every page, in each state that looks different: axe finds nothing, nothing is wider than the window, and the
// browser does not complain.

test.setTimeout(120_000) // axe goes through each page four times

async function visit(page: Page, path: string) {
  await page.goto(path)
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  await expectUsable(page)
}

test('before anything exists', async ({ page }) => {
  const server = await Server.start()
  await page.context().addCookies(await cookiesOf(server.url, 'admin', adminPassword))
  for (const path of ['/', '/jobs', '/executions', '/workers', '/settings/tokens']) await visit(page, server.url + path)
  await server.dispose()
})

test('log in, and errors', async ({ page, session }) => {
  await page.goto('/login')
  await expectUsable(page)
  await fillLogin(page, 'admin', 'wrong')
  await expect(page.getByRole('alert')).toBeVisible()
  await expectUsable(page, 'login with a wrong password')
  await page.context().addCookies(await session('admin'))
  await visit(page, '/jobs/there-is-no-such-job')
  await page.context().clearCookies()
  await page.context().addCookies(await session('viewer'))
  await visit(page, '/settings/users')
})

test('lists and a job', async ({ adminPage: page, api, unique, tap }) => {
  test.slow() // eight pages, each asked four times
  const name = unique('a-job-with-a-rather-long-name-that-has-no-spaces-to-break-at')
  await api.createJob(
    { name, schedule: '*/5 9-17 * * MON-FRI', timezone: 'America/Argentina/Buenos_Aires', retries: 3, timeout: '90s', notes: 'Why.\n\n'.repeat(4) },
    `# ${'a long line of the command '.repeat(8)}\necho out; echo err >&2; exit 3`,
  )
  await api.createJob({ name: `${name}-disabled`, display_name: 'Eine Überschrift', schedule: '@daily', enabled: false }, 'true')
  await api.reaches(await api.run(name), 'failed')
  await api.reaches(await api.run(`${name}-disabled`), 'succeeded')
  const running = await api.start(`${name}-running`, tap.cat)
  await api.reaches(running, 'running')
  for (const path of ['/', '/jobs', `/jobs?q=nothing-is-called-so`, `/jobs/${name}`, `/jobs/${name}-disabled`, '/executions', '/executions?state=missed']) {
    await visit(page, path)
  }
  await page.goto(`/jobs/${name}`)
  await page.getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByRole('dialog')).toBeVisible()
  await expectUsable(page, 'the question before deleting')
  await api.http.delete(`/jobs/${name}`)
})

test('the job form', async ({ adminPage: page }) => {
  await visit(page, '/jobs/new')
  await openPart(page, 'When')
  await page.getByLabel('Schedule', { exact: true }).fill('30 2 * * *')
  await page.getByLabel('Time zone').fill('Europe/Berlin')
  await expect(page.getByText('In Europe/Berlin')).toBeVisible()
  for (const more of ['More options of the command', 'Back-off and grace']) {
    await openPartOf(page.getByText(more))
    await page.getByText(more).click()
    await page.evaluate(() => scrollTo(0, 0)) // what a bar that sticks half covers is judged as that small
    await expectUsable(page, more)
  }
  await openPart(page, 'When')
  await page.evaluate(() => scrollTo(0, 0)) // what a bar that sticks half covers is judged as that small
  await expectUsable(page, 'the form with a preview')
  await page.getByLabel('Schedule', { exact: true }).fill('61 * * * *')
  await openPart(page, 'Limits')
  await page.getByLabel('Timeout', { exact: true }).fill('soon')
  await page.getByLabel('First retry after').fill('soon')
  await page.getByRole('button', { name: 'Create job' }).click()
  await expect(page.getByRole('alert')).toBeVisible()
  for (const part of ['When', 'Limits', 'What'] as const) {
    await openPart(page, part)
    await expectUsable(page, `${part} of the form with errors`)
  }
  await page.getByRole('radio', { name: 'HTTP request' }).check()
  await expectUsable(page, 'the form of a request')
  await page.getByRole('radio', { name: 'Shell command' }).check()
  for (const label of ['Schedule', 'Timeout', 'First retry after']) {
    await openPartOf(page.getByLabel(label, { exact: true }))
    await page.getByLabel(label, { exact: true }).fill('')
  }
  page.once('dialog', (question) => question.accept())
})

test('an execution', async ({ adminPage: page, api, unique, tap }) => {
  const colours = String.raw`for i in $(seq 0 15); do printf '\033[38;5;%dmtext\033[0m \033[48;5;%dmground\033[0m\n' $i $i; done; printf '\033[2mdim\033[0m \033[7minverse\033[0m \033[31;7mboth\033[0m\n'; printf '\033]8;;https://example.com/\033\\link\033]8;;\033\\\n'; echo to stderr >&2`
  const name = unique('look-of-a-run')
  const running = await api.start(name, `${colours}; ${tap.cat}`)
  const live = await LiveView.open(page, running)
  await expect(live.log).toContainText('to stderr')
  await expectUsable(page, 'a running execution')
  await page.getByRole('button', { name: 'Wrap' }).click()
  await page.getByRole('combobox', { name: 'Time' }).selectOption('local')
  tap.lines(1, 200)
  await expect(live.lines.last()).toContainText('line 200')
  await live.log.evaluate((log) => log.scrollTo(0, 0))
  await expect(page.getByRole('button', { name: 'Follow' })).toHaveAttribute('aria-pressed', 'false')
  tap.lines(201, 210)
  await expect(live.pill).toBeVisible()
  await page.evaluate(() => (location.hash = '#L2-L4'))
  await expectUsable(page, 'a paused log with times, wrapped, and lines picked')
  await page.getByRole('button', { name: 'Stop' }).click()
  await expect(page.getByRole('dialog')).toBeVisible()
  await expectUsable(page, 'the question before stopping')
  await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click()
  await expect(live.state('Cancelled')).toBeVisible()
  await expectUsable(page, 'a cancelled execution')

  const failed = await api.start(`${name}-failed`, 'echo no disk >&2; exit 3', { retries: 1, retry: { delay: '10ms' } })
  await api.reaches(failed, 'failed')
  await expect.poll(async () => (await api.executionsOf(`${name}-failed`)).filter((e) => e.state === 'failed').length).toBe(2)
  await visit(page, `/executions/${failed}`)
  const queued = await api.start(`${name}-queued`, 'exit 3', { retries: 1, retry: { delay: '1h' } })
  await api.reaches(queued, 'failed')
  const [waiting] = await api.executionsOf(`${name}-queued`)
  await visit(page, `/executions/${waiting!.id}`)
  await api.http.delete(`/jobs/${name}-queued`)
})

test('settings, menu and help', async ({ adminPage: page, unique }) => {
  await visit(page, '/settings/users')
  await page.getByRole('row').filter({ hasText: 'you' }).getByText('Password').first().click()
  await expect(page.getByLabel('New password of admin')).toBeVisible()
  await expectUsable(page, 'settings with a password field')
  await page.goto('/settings/users')
  await page.getByLabel('User', { exact: true }).fill('somebody')
  await page.getByLabel('Password', { exact: true }).fill('short')
  await page.getByRole('button', { name: 'Add user' }).click()
  await expect(page.getByLabel('Password', { exact: true })).toHaveAttribute('aria-invalid', 'true')
  await expectUsable(page, 'settings with an error')

  await page.goto('/settings/tokens')
  await page.getByLabel('Name', { exact: true }).fill(unique('a-token'))
  await page.getByRole('button', { name: 'Make token' }).click()
  await expect(page.getByRole('heading', { name: /^The token/ })).toBeVisible()
  await expectUsable(page, 'a token and its secret')
  await page.getByRole('button', { name: 'Revoke' }).first().click()
  await expect(page.getByRole('dialog')).toBeVisible()
  await expectUsable(page, 'the question before revoking')

  await page.goto('/jobs')
  await page.getByRole('button', { name: ': menu' }).click()
  await expect(page.getByRole('button', { name: 'Log out' })).toBeVisible()
  await expectUsable(page, 'the menu')
  await page.getByRole('button', { name: 'Keyboard' }).click()
  await expect(page.getByRole('dialog', { name: 'Keyboard' })).toBeVisible()
  await expectUsable(page, 'the help')
})

test('the theme can be chosen, and stays @phone', async ({ adminPage: page }) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  await page.goto('/jobs')
  const system = await ground()
  const other = (await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches)) ? 'Light' : 'Dark'
  await page.getByRole('button', { name: ': menu' }).click()
  await page.getByRole('radio', { name: other }).check()
  const chosen = await ground()
  expect(chosen).not.toBe(system)
  await page.goto('/executions')
  expect(await ground()).toBe(chosen)
  await page.getByRole('button', { name: ': menu' }).click()
  await expect(page.getByRole('radio', { name: other })).toBeChecked()
  await page.getByRole('radio', { name: 'System' }).check()
  expect(await ground()).toBe(system)
})

test('the calendar, the audit, the tree, classes and the other pages', async ({ adminPage: page, api, unique }) => {
  test.slow() // each is asked four times
  const name = unique('seen-everywhere')
  await api.createJob({ name, schedule: '*/20 * * * *', timezone: 'Europe/Berlin', metadata: { owner: 'ops' }, progress: '(\\d+)%' }, 'echo 50%; exit 3')
  for (const n of [1, 2, 3]) await api.createJob({ name: `${name}-with-a-long-name-${n}`, schedule: '@hourly' }, 'true')
  await api.start(`${name}-waits`, 'true', { tags: ['nowhere'] })
  const failed = await api.run(name)
  await api.reaches(failed, 'failed')
  const { id: group } = await (await api.http.post('/tree', { data: { title: name } })).json()
  const { id: leaf } = await (await api.http.post('/tree', { data: { title: 'a frame', command: 'true', parent: group } })).json()
  for (const path of ['/calendar?view=month', '/calendar', '/calendar?view=day', '/calendar?view=hour']) await visit(page, path)
  await visit(page, '/audit')
  for (const path of ['/tree', `/tree/${group}`, `/tree/${leaf}`]) await visit(page, path)
  for (const path of ['/workers', '/workers/server', '/settings/classes', '/settings/system', '/settings/configuration', '/account']) await visit(page, path)
  for (const path of ['/jobs/import', '/freeze', `/search?q=${name}`, '/search?q=nothing-is-called-so']) await visit(page, path)
  for (const path of [`/jobs/${name}/edit`, `/jobs/${name}/run`, `/jobs/${name}/history`, `/executions/${failed}/retry`]) await visit(page, path)
  for (const n of [1, 2, 3]) await api.http.delete(`/jobs/${name}-with-a-long-name-${n}`)
  await api.http.delete(`/jobs/${name}`)
})

test('a preview, a question about several, and answers to mistakes', async ({ adminPage: page, api, unique }) => {
  test.slow()
  const name = unique('asked-about')
  for (const n of [1, 2]) await api.createJob({ name: `${name}-${n}` }, 'exit 3')
  await page.goto(`/jobs?q=${name}`)
  for (const n of [1, 2]) await page.getByRole('checkbox', { name: `Choose ${name}-${n}` }).check()
  await page.getByRole('button', { name: 'Delete…' }).click()
  await expect(page.getByRole('heading', { name: 'Delete 2 jobs?' })).toBeVisible()
  await expectUsable(page, 'the question before deleting several')

  await page.goto('/jobs/import')
  await page.getByRole('combobox', { name: 'System' }).selectOption('crontab')
  await page.getByLabel('Or its text').fill('MAILTO=ops\n# nightly\n0 3 * * * backup --all\n99 * * * * wrong')
  await page.getByRole('button', { name: 'Preview' }).click()
  await expect(page.getByRole('heading', { name: 'What would be done' })).toBeVisible()
  await expectUsable(page, 'the preview of an import')

  await page.goto(`/jobs/${name}-1/run`)
  await page.getByLabel('Command', { exact: true }).first().fill('')
  await expectUsable(page, 'a run with changes')
  await page.goto('/executions?state=succeeded&exit_code=many')
  await expectUsable(page, 'a filter that makes no sense')
  for (const n of [1, 2]) await api.http.delete(`/jobs/${name}-${n}`)
})
