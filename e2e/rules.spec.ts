import type { Page } from '@playwright/test'
import { Api } from './harness/api.ts'
import { adminPassword, Server } from './harness/server.ts'
import { cookiesOf, expect, expectUsable, openPart, openPartOf, rowOf, test } from './harness/test.ts'

// What the engine does beside running things on time, as a person sets it and sees it.

const field = (page: Page, label: string) => page.getByLabel(label, { exact: true })

/** Opens the parts of the form that are folded away. */
async function unfold(page: Page) {
  for (const name of ['Metadata', 'After other jobs', 'Missed fires', 'Queue, how many', 'Back-off', 'Output and progress', 'How long executions']) {
    const part = page.locator('details').filter({ has: page.locator('summary', { hasText: name }) })
    await openPartOf(part)
    if ((await part.getAttribute('open')) === null) await part.locator('summary').click()
  }
}

/** A server that nobody else uses, with somebody logged in. */
async function alone(page: Page, ...args: string[]) {
  const server = await Server.start(...args)
  await page.context().addCookies(await cookiesOf(server.url, 'admin', adminPassword))
  const api = await Api.as(server.url, 'admin', adminPassword)
  const end = async () => {
    for (const open of page.context().pages()) await open.goto('about:blank') // its connection would complain
    await api.dispose()
    await server.dispose()
  }
  return { server, api, end }
}

test('a job with many rules is made by the form, and an edit loses none of them @nojs', async ({ adminPage: page, api, unique }) => {
  const [name, parent, other] = [unique('rules'), unique('parent'), unique('other parent')]
  await api.createJob({ name: parent }, 'true')
  await api.createJob({ name: other }, 'true')
  await page.goto('/jobs/new')
  await unfold(page)
  const typed: Record<string, string> = {
    Name: name,
    Command: 'echo 50%',
    Metadata: 'team=payments\nticket=OPS-17',
    Schedule: '30 2 * * *\nTZ=Asia/Tokyo 0 9 * * MON-FRI',
    'Time zone': 'Europe/Berlin',
    'Depends on': `${parent}\n${other} any`,
    Jitter: '90s',
    'Starts (UTC)': '2026-01-02T03:04:05',
    'Ends (UTC)': '2099-01-02T03:04',
    'Paused until (UTC)': '2098-01-01T00:00',
    Tags: 'linux, gpu',
    'At most waiting': '7',
    'At most at once': '2',
    Priority: '12',
    Retries: '3',
    'Only after exit codes': '1, 75',
    'Keep of the beginning': '64 KiB',
    'Progress pattern': '(\\d+)%',
    'Executions kept': '500',
    'Catch-up window': '2h',
  }
  for (const [label, value] of Object.entries(typed)) {
    await openPartOf(field(page, label))
    await field(page, label).fill(value)
  }
  await openPart(page, 'Limits')
  await field(page, 'When it still runs').selectOption('Wait for its turn')
  await openPart(page, 'When')
  await field(page, 'Missed fires').selectOption('Run the latest')
  await field(page, 'Depends on').fill(`${parent}\nnobody any`)
  await page.getByRole('button', { name: 'Create job' }).click()

  await expect(field(page, 'Depends on')).toHaveAccessibleDescription(/there is no job "nobody"/)
  await expect(field(page, 'Depends on'), 'it is unfolded where something is wrong').toBeVisible()
  for (const [label, value] of Object.entries(typed)) {
    if (label !== 'Depends on') await expect(field(page, label), label).toHaveValue(value)
  }
  await field(page, 'Depends on').fill(typed['Depends on']!)
  await page.getByRole('button', { name: 'Create job' }).click()
  await expect(page).toHaveURL(`/jobs/${name}`)
  const made = await api.job(name)
  expect(made).toMatchObject({
    schedules: [
      { text: '30 2 * * *', zone: 'Europe/Berlin' },
      { text: '0 9 * * MON-FRI', zone: 'Asia/Tokyo' },
    ],
    concurrency: 'queue',
    max_queued: 7,
    max_running: 2,
    priority: 12,
    retry: { exit_codes: [1, 75] },
    depends_on: expect.arrayContaining([
      { job: parent, on: 'success' },
      { job: other, on: 'any' },
    ]),
    catch_up: 'latest',
    catch_up_window: '2h0m0s',
    jitter: '1m30s',
    starts_at: '2026-01-02T03:04:05.000000Z',
    ends_at: '2099-01-02T03:04:00.000000Z',
    paused_until: '2098-01-01T00:00:00.000000Z',
    tags: ['gpu', 'linux'],
    metadata: { team: 'payments', ticket: 'OPS-17' },
    output_limit: { head: 65536 },
    progress: '(\\d+)%',
    retention: { max_count: 500 },
  })

  await expect(page.getByRole('heading', { level: 1 })).toContainText('paused until')
  await expect(page.getByRole('link', { name: other, exact: true })).toBeVisible()
  await page.getByRole('link', { name: 'Edit' }).click()
  await openPart(page, 'Limits')
  await expect(field(page, 'Only after exit codes'), 'what is set is unfolded').toBeVisible()
  await openPart(page, 'What')
  await field(page, 'Notes').fill('only this')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page).toHaveURL(`/jobs/${name}`)
  const { version: _v, updated_at: _u, ...before } = made
  const after = await api.job(name)
  expect(after).toMatchObject({ ...before, notes: 'only this' })

  await page.goto(`/jobs/${parent}`)
  await expect(page.getByRole('link', { name, exact: true })).toBeVisible()
})

test('the form with everything, and the job, can be used by everybody', async ({ adminPage: page, api, unique }) => {
  const [name, child] = [unique('looks'), unique('child')]
  await api.createJob(
    {
      name, schedule: '@daily', concurrency: 'queue', max_queued: 3, priority: 5, tags: ['gpu', 'disk=large'], metadata: { team: 'payments' },
      paused_until: '2098-01-01T00:00:00Z', ends_at: '2099-01-01T00:00:00Z', progress: '(\\d+)%',
    },
    'true',
  )
  await api.createJob({ name: child, depends_on: [{ job: name, on: 'failure' }] }, 'true')
  await page.goto('/jobs/new')
  await unfold(page)
  for (const part of ['What', 'When', 'Where', 'Limits'] as const) {
    await openPart(page, part)
    await page.evaluate(() => scrollTo(0, 0)) // what a bar that sticks half covers is judged as that small
    await expectUsable(page, `${part} of the form, unfolded`)
  }
  for (const path of [`/jobs/${name}`, `/jobs/${child}`, `/jobs?tag=gpu&metadata.team=payments`]) {
    await page.goto(path)
    await expectUsable(page)
  }
  await page.getByRole('link', { name: /team=payments/ }).click()
  await expect(page).toHaveURL(/\/jobs\?(limit=50&)?tag=gpu$/)
  await rowOf(page, name).getByRole('link', { name: 'disk=large' }).click()
  await expect(field(page, 'Tag')).toHaveValue('disk=large')
  await expect(rowOf(page, name)).toContainText('paused until')

  await page.goto(`/jobs/${name}`)
  await page.getByRole('button', { name: 'Delete' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog.getByRole('link', { name: child })).toBeVisible()
  await expectUsable(page, 'deleting what others depend on')
  await dialog.getByLabel('Delete it all the same').check()
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await expect(page).toHaveURL('/jobs')
  expect((await api.job(child)).depends_on).toEqual([])
})

test('a job is paused until a time, and goes on @phone', async ({ adminPage: page, api, unique }) => {
  const name = unique('rests')
  await api.createJob({ name, schedule: '@hourly' }, 'true')
  await page.goto(`/jobs/${name}`)
  await page.getByRole('button', { name: 'Pause' }).click()
  await field(page, 'Until').fill('yesterday')
  await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
  await expect(field(page, 'Until')).toHaveAccessibleDescription(/neither a duration/)
  await expect(field(page, 'Until')).toHaveValue('yesterday')
  await field(page, 'Until').fill('2h')
  await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('paused until')
  const until = Date.parse((await api.job(name)).paused_until)
  expect(Math.abs(until - Date.now() - 7_200_000)).toBeLessThan(60_000)
  await page.getByRole('button', { name: 'Resume' }).click()
  await expect(page.getByRole('heading', { level: 1 })).not.toContainText('paused until')
  expect((await api.job(name)).paused_until).toBeNull()
})

test('everything is paused and resumed, and every open page says so @phone', async ({ page, context }) => {
  const { server, api, end } = await alone(page)
  await api.createJob({ name: 'one' }, 'true')
  const jobs = await context.newPage()
  await jobs.goto(`${server.url}/jobs`)
  await expect(jobs.getByRole('button', { name: 'hold updates' })).toContainText('Live')
  await page.goto(server.url)
  await page.getByRole('button', { name: 'Pause everything' }).click()
  await field(page, 'Reason').fill('the storage moves')
  await field(page, 'Until').fill('2 hours')
  await expectUsable(page, 'the question before pausing everything')
  await page.getByRole('dialog').getByRole('button', { name: 'Pause everything' }).click()
  await expect(field(page, 'Until')).toHaveAccessibleDescription(/neither a duration/)
  await expect(field(page, 'Reason')).toHaveValue('the storage moves')
  await field(page, 'Until').fill('2h')
  await page.getByRole('dialog').getByRole('button', { name: 'Pause everything' }).click()
  await expect(page.getByText(/by admin.*the storage moves/)).toBeVisible()
  await expectUsable(page, 'everything is paused')
  await expect(jobs.getByText('Everything is paused'), 'on a page that was open').toBeVisible()

  const id = await api.run('one')
  await page.goto(`${server.url}/executions/${id}`)
  await expect(page.getByText(/queued \d.*everything is paused since .*the storage moves/)).toBeVisible()
  await jobs.getByRole('button', { name: 'Resume everything' }).click()
  await expect(jobs).toHaveURL(`${server.url}/jobs`)
  await expect(jobs.getByText('Everything is paused')).toBeHidden()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Succeeded')
  await end()
})

test('what waits says for how long and for what, and what made it is a link', async ({ page, context, tap }) => {
  const { server, api, end } = await alone(page, '--slots', '1')
  const running = await api.start('busy', tap.cat)
  await api.reaches(running, 'running')
  const waiting = await api.start('waiting', 'echo here')
  await page.goto(`${server.url}/executions/${waiting}`)
  await expect(page.getByText(/queued \d[\d.]* m?s: 1 of 1 slots busy/)).toBeVisible()
  const now = await context.newPage()
  await now.goto(server.url)
  await expect(now.getByText(/queued \d[\d.]* m?s: 1 of 1 slots busy/)).toBeVisible()
  await api.createJob({ name: 'needs a gpu', tags: ['gpu'] }, 'true')
  await api.run('needs a gpu')
  await expect(now.getByText('no worker with tags gpu is online'), 'it appears by itself').toBeVisible()
  await api.http.post('/freeze', { data: { reason: 'hands off' } })
  await expect(page.getByText(/queued \d.*everything is paused.*hands off/), 'the reason changes by itself').toBeVisible()
  await api.http.post('/unfreeze')
  await expect(page.getByText(/queued \d[\d.]* m?s: 1 of 1 slots busy/)).toBeVisible()

  await api.createJob({ name: 'after', depends_on: [{ job: 'waiting', on: 'success' }] }, 'true')
  tap.close()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Succeeded')
  await expect.poll(async () => (await api.executionsOf('after')).length).toBe(1)
  await page.goto(`${server.url}/executions/${(await api.executionsOf('after'))[0]!.id}`)
  await page.getByRole('link', { name: 'waiting', exact: true }).click()
  await expect(page).toHaveURL(`${server.url}/jobs/waiting`)
  await page.goto(`${server.url}/executions?trigger=dependency`)
  await expect(page.getByRole('row')).toHaveCount(2)
  await end()
})
