import type { Page } from '@playwright/test'
import { expect, expectUsable, openPart, openPartOf, tabTo, test } from './harness/test.ts'

const field = (page: Page, label: string) => page.getByLabel(label, { exact: true })
const fires = (page: Page) => page.getByRole('main').getByRole('listitem').locator('> time')

test('the schedule says what it means and when it fires while it is typed', async ({ adminPage: page }) => {
  await page.goto('/jobs/new')
  await openPart(page, 'When')
  await field(page, 'Schedule').pressSequentially('*/2 * * * * *')
  await expect(page.getByText('every 2 seconds')).toBeVisible()
  await expect(fires(page)).toHaveCount(5)
  const times = await fires(page).evaluateAll((all) => all.map((time) => Date.parse((time as HTMLTimeElement).dateTime)))
  times.forEach((time, i) => expect(time, `fire ${i + 1} of ${times}`).toBe((times[0] ?? NaN) + 2000 * i))

  await field(page, 'Schedule').fill('30 9 * * MON-FRI')
  await field(page, 'Time zone').fill('America/New_York')
  await expect(page.getByText(/09:30.*Monday/)).toBeVisible()
  await expect(page.getByText('In America/New_York')).toBeVisible()
  await expect(fires(page)).toHaveText(Array(5).fill(/ 09:30:00$/))

  await field(page, 'Schedule').fill('61 * * * *')
  await expect(page.getByText(/61/).last()).toBeVisible()
  await expect(fires(page)).toHaveCount(0)
  await expect(field(page, 'Schedule'), 'the preview does not take the focus').toBeFocused()
})

test('what is wrong stands beside its field and nothing typed is lost @nojs', async ({ adminPage: page, api, unique }) => {
  const name = unique('typed')
  await page.goto('/jobs/new')
  await page.getByText('More options of the command').click()
  await openPart(page, 'Limits')
  await page.getByText('Back-off and grace').click()
  const typed: Record<string, string> = {
    Name: name,
    'Display name': 'Überwachung "täglich" & <b>',
    Command: 'echo one\necho "two & <three>"\n',
    Environment: 'A=1\nB=two words',
    'Working directory': '/tmp',
    Notes: 'first line\n\nthird <line>',
    Schedule: '61 * * * *',
    'Time zone': 'Europe/Berlin',
    Timeout: '90s',
    Retries: '4',
    'First retry after': '7s',
    Grace: '3s',
  }
  for (const [label, value] of Object.entries(typed)) {
    await openPartOf(field(page, label))
    await field(page, label).fill(value)
  }
  await openPart(page, 'Limits')
  await field(page, 'When it still runs').selectOption('Skip the fire')
  await openPart(page, 'When')
  await page.getByLabel('Enabled: it fires by itself').uncheck()
  await page.getByRole('button', { name: 'Create job' }).click()

  await expect(page.getByRole('alert')).toBeVisible()
  const schedule = field(page, 'Schedule')
  await expect(schedule).toHaveAttribute('aria-invalid', 'true')
  await expect(schedule).toHaveAccessibleDescription(/61/)
  for (const [label, value] of Object.entries(typed)) await expect(field(page, label), label).toHaveValue(value)
  await expect(field(page, 'When it still runs')).toHaveValue('forbid')
  await expect(page.getByLabel('Enabled: it fires by itself')).not.toBeChecked()
  for (const label of ['Command', 'Timeout', 'Retries']) await expect(field(page, label)).not.toHaveAttribute('aria-invalid')

  await schedule.fill('0 4 * * *')
  await page.getByRole('button', { name: 'Create job' }).click()
  await expect(page).toHaveURL(`/jobs/${name}`)
  expect(await api.job(name)).toMatchObject({
    name,
    display_name: typed['Display name'],
    notes: typed.Notes,
    schedule: '0 4 * * *',
    timezone: 'Europe/Berlin',
    executor: 'shell',
    config: { command: typed.Command, env: { A: '1', B: 'two words' }, dir: '/tmp' },
    concurrency: 'forbid',
    retries: 4,
    retry: { delay: '7s' },
    timeout: '1m30s',
    grace: '3s',
    enabled: false,
  })
})

test('several wrong fields each say so, and a name that is taken too', async ({ adminPage: page, api, unique }) => {
  const name = unique('taken')
  await api.createJob({ name }, 'true')
  await page.goto('/jobs/new')
  await field(page, 'Name').fill(name)
  await openPart(page, 'Limits')
  await field(page, 'Timeout').fill('soon')
  await field(page, 'Retries').fill('many')
  await page.getByRole('button', { name: 'Create job' }).click()
  await expect(field(page, 'Command')).toHaveAttribute('aria-invalid', 'true')
  await openPart(page, 'Limits')
  await expect(field(page, 'Timeout')).toHaveAccessibleDescription(/duration/)
  await expect(field(page, 'Retries')).toHaveAccessibleDescription(/number/)
  await expect(field(page, 'Timeout')).toHaveValue('soon')

  await openPart(page, 'What')
  await field(page, 'Command').fill('true')
  await openPart(page, 'Limits')
  await field(page, 'Timeout').fill('')
  await field(page, 'Retries').fill('0')
  await page.getByRole('button', { name: 'Create job' }).click()
  await expect(field(page, 'Name')).toHaveAttribute('aria-invalid', 'true')
  await expect(field(page, 'Command')).toHaveValue('true')
})

test('what is wrong is listed at the top, and each line leads to its field @nojs', async ({ adminPage: page, unique }) => {
  await page.goto('/jobs/new')
  await field(page, 'Name').fill(unique('listed'))
  await field(page, 'Command').fill('true')
  await openPart(page, 'Limits')
  await field(page, 'Timeout').fill('soon')
  await page.getByText('Back-off and grace').click()
  await field(page, 'Grace').fill('later')
  await page.getByRole('button', { name: 'Create job' }).click()
  const list = page.getByRole('alert').getByRole('listitem')
  await expect(list).toHaveText([/^Timeout: .*duration/, /^Grace: .*duration/])
  await openPart(page, 'What')
  await list.getByRole('link', { name: 'Grace' }).click()
  await expect(field(page, 'Grace')).toBeInViewport()
  await expect(page).toHaveURL(/#f-grace$/)
})

test('editing changes the job, and does not overwrite what somebody else saved @nojs', async ({ adminPage: page, api, unique }) => {
  const name = unique('edited')
  await api.createJob({ name, schedule: '@daily' }, 'echo before')
  await page.goto(`/jobs/${name}`)
  await page.getByRole('link', { name: 'Edit' }).click()
  await expect(field(page, 'Command')).toHaveValue('echo before')
  await field(page, 'Command').fill('echo after')
  await openPart(page, 'When')
  await field(page, 'Schedule').fill('@hourly')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page).toHaveURL(`/jobs/${name}`)
  await expect(page.getByText('echo after', { exact: true })).toBeVisible()
  expect(await api.job(name)).toMatchObject({ schedule: '@hourly', config: { command: 'echo after' } })

  await page.getByRole('link', { name: 'Edit' }).click()
  await field(page, 'Command').fill('echo mine')
  const theirs = await api.http.put(`/jobs/${name}`, {
    data: { name, schedule: '@weekly', executor: 'shell', config: { command: 'echo theirs' } },
  })
  expect(theirs.status()).toBe(200)
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByRole('alert')).toBeVisible()
  await expect(field(page, 'Command')).toHaveValue('echo mine')
  expect(await api.job(name)).toMatchObject({ schedule: '@weekly', config: { command: 'echo theirs' } })
})

test('a job can be a request, and its answer is the output', async ({ adminPage: page, server, unique }) => {
  const name = unique('request')
  await page.goto('/jobs/new')
  await field(page, 'Name').fill(name)
  await page.getByRole('radio', { name: 'HTTP request' }).check()
  await expect(field(page, 'Command')).toBeHidden()
  await field(page, 'Address').fill(`${server.url}/robots.txt`)
  await page.getByRole('button', { name: 'Create job' }).click()
  await page.getByRole('button', { name: 'Run now' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Succeeded')
  await expect(page.getByRole('region', { name: 'Lines of output' })).toContainText('User-agent')
})

test('what was typed is not left behind by mistake', async ({ adminPage: page }) => {
  await page.goto('/jobs/new')
  await field(page, 'Name').pressSequentially('x')
  const asked = page.waitForEvent('dialog')
  const leaving = page.getByRole('link', { name: 'Executions', exact: true }).click()
  const dialog = await asked
  expect(dialog.type()).toBe('beforeunload')
  await dialog.dismiss()
  await leaving
  await expect(page).toHaveURL('/jobs/new')
  await expect(field(page, 'Name')).toHaveValue('x')
  await field(page, 'Name').fill('')
  page.once('dialog', (question) => question.accept())
})

const parts = ['What', 'When', 'Where', 'Limits'] as const
const tab = (page: Page, part: string) => page.getByRole('tab', { name: new RegExp(`^${part}`) })
const panel = (page: Page, part: string) => page.getByRole('tabpanel', { name: part, exact: true })

test('the parts of the form are tabs for the keyboard alone, and a reload keeps the one that is open', async ({ adminPage: page }) => {
  await page.goto('/jobs/new')
  await expect(page.getByRole('tabpanel')).toHaveCount(1)
  await tabTo(page, tab(page, 'What'))
  for (const [key, part] of [['ArrowRight', 'When'], ['End', 'Limits'], ['ArrowRight', 'What'], ['ArrowLeft', 'Limits'], ['Home', 'What'], ['ArrowLeft', 'Limits']] as const) {
    await page.keyboard.press(key)
    await expect(tab(page, part), key).toBeFocused()
    await expect(tab(page, part)).toHaveAttribute('aria-selected', 'true')
    await expect(page.getByRole('tabpanel')).toHaveCount(1)
    await expect(panel(page, part)).toBeVisible()
    await expect(page).toHaveURL(`/jobs/new#${part.toLowerCase()}`)
  }
  await page.keyboard.press('Tab')
  await expect(field(page, 'When it still runs'), 'one stop for all tabs').toBeFocused()
  await page.reload()
  await expect(panel(page, 'Limits')).toBeVisible()
  await expect(panel(page, 'What')).toBeHidden()
  await page.emulateMedia({ media: 'print' })
  for (const label of ['Name', 'Schedule', 'Tags', 'Timeout']) await expect(field(page, label), 'on paper').toBeVisible()
})

test('a part that hides what is wrong opens, and its tab counts it @phone', async ({ adminPage: page, unique }) => {
  await page.goto('/jobs/new')
  await field(page, 'Name').fill(unique('hidden'))
  await field(page, 'Command').fill('true')
  await openPart(page, 'Where')
  await field(page, 'Tags').fill('kept')
  await openPart(page, 'Limits')
  await field(page, 'Timeout').fill('soon')
  await field(page, 'Retries').fill('many')
  await openPart(page, 'What')
  await page.getByRole('button', { name: 'Create job' }).click()
  await expect(page.getByRole('alert')).toBeFocused()
  await expect(panel(page, 'Limits')).toBeVisible()
  await expect(tab(page, 'Limits')).toHaveAccessibleName(/2 wrong/)
  await openPart(page, 'What')
  await page.getByRole('alert').getByRole('link', { name: 'Timeout' }).click()
  await expect(field(page, 'Timeout'), 'its part opens').toBeFocused()
  await expect(field(page, 'Timeout')).toHaveAttribute('aria-invalid', 'true')
  await openPart(page, 'Where')
  await expect(field(page, 'Tags')).toHaveValue('kept')
  await page.evaluate(() => { location.hash = '#f-schedule' })
  await expect(field(page, 'Schedule')).toBeFocused()
  await page.evaluate(() => { location.hash = '#f-grace' })
  await expect(field(page, 'Grace'), 'in a fold').toBeFocused()
  await field(page, 'Name').evaluate((el) => (el as HTMLInputElement).form!.checkValidity())
  await expect(panel(page, 'Limits'), 'nothing that the browser checks is wrong').toBeVisible()
  await field(page, 'Name').evaluate((el: HTMLInputElement) => { el.value = ''; el.checkValidity() })
  await expect(panel(page, 'What')).toBeVisible()
})

test('each tab holds what was typed, has the buttons and can be used by everybody @phone', async ({ adminPage: page }) => {
  test.slow() // four looks at four tabs
  await page.goto('/jobs/new')
  const typed = { What: ['Notes', 'one'], When: ['Time zone', 'Asia/Tokyo'], Where: ['Tags', 'gpu'], Limits: ['Timeout', '90s'] } as const
  for (const part of parts) {
    await openPart(page, part)
    await field(page, typed[part][0]).fill(typed[part][1])
    await page.evaluate(() => scrollTo(0, 0)) // what a bar that sticks half covers is judged as that small
    await expectUsable(page, part)
  }
  for (const part of parts) {
    await openPart(page, part)
    await expect(field(page, typed[part][0])).toHaveValue(typed[part][1])
    for (const name of ['Create job', 'Create and run', 'Test run']) await expect(page.getByRole('button', { name })).toBeInViewport()
  }
  for (const part of parts) {
    await openPart(page, part)
    await field(page, typed[part][0]).fill('')
  }
  page.once('dialog', (question) => question.accept())
})

test('without JavaScript all parts are there @nojs', async ({ adminPage: page, javaScriptEnabled }) => {
  test.skip(javaScriptEnabled, 'with it they are tabs')
  await page.goto('/jobs/new')
  for (const label of ['Name', 'Schedule', 'Tags', 'Timeout']) await expect(field(page, label)).toBeVisible()
  await openPart(page, 'Limits')
  await expect(page.getByRole('heading', { name: 'Limits' })).toBeInViewport()
  await expect(page.getByRole('tab')).toHaveCount(0)
})

test('a job is saved, saved and run, and run as a test, from any tab @phone', async ({ adminPage: page, api, unique }) => {
  const name = unique('actions')
  await api.createJob({ name }, 'echo stored')
  const edit = async (command: string) => {
    await page.goto(`/jobs/${name}/edit`)
    await field(page, 'Command').fill(command)
    await openPart(page, 'Limits')
  }
  await edit('echo saved')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page).toHaveURL(`/jobs/${name}`)
  expect((await api.job(name)).config).toEqual({ command: 'echo saved' })

  await edit('echo saved and run')
  await page.getByRole('button', { name: 'Save and run' }).click()
  await expect(page).toHaveURL(/\/executions\//)
  await api.reaches(page.url().split('/').pop()!, 'succeeded')
  expect((await api.job(name)).config).toEqual({ command: 'echo saved and run' })

  await edit('echo only tried')
  const opening = page.waitForEvent('popup')
  await page.getByRole('button', { name: 'Test run' }).click()
  const tried = await opening
  await expect(tried).toHaveURL(/\/executions\//)
  await expect(tried.getByRole('region', { name: 'Lines of output' })).toContainText('only tried')
  expect((await api.job(name)).config, 'nothing is saved').toEqual({ command: 'echo saved and run' })
  await tried.close()
  await expect(panel(page, 'Limits'), 'the form is as it was').toBeVisible()
  await openPart(page, 'What')
  await expect(field(page, 'Command')).toHaveValue('echo only tried')
  page.once('dialog', (question) => question.accept())
})
