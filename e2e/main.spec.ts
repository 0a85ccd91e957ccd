import { LiveView } from './harness/live.ts'
import { expect, logIn, openPart, rowOf, sameDocument, test } from './harness/test.ts'
import { adminPassword } from './harness/server.ts'

// The sentence that issue 2 is named after, as one person does it.
test('a job made by the form fires by itself and its output appears live @phone', async ({ page, api, unique, tap }) => {
  const name = unique('main')
  await logIn(page, 'admin', adminPassword)
  await page.getByRole('link', { name: 'Jobs', exact: true }).click()
  await page.getByRole('link', { name: 'New job' }).first().click()
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByLabel('Command', { exact: true }).fill(`${tap.cat} || true`)
  await openPart(page, 'Limits')
  await page.getByLabel('When it still runs').selectOption('Skip the fire')
  await openPart(page, 'When')
  await page.getByLabel('Schedule', { exact: true }).pressSequentially('*/2 * * * * *')
  await expect(page.getByText('every 2 seconds')).toBeVisible()
  await page.getByRole('button', { name: 'Create job' }).click()

  await expect(page).toHaveURL(`/jobs/${name}`)
  await expect(page.getByText(`Created ${name}.`)).toBeVisible()
  const stillTheSame = await sameDocument(page)
  const running = page.getByRole('row').filter({ hasText: 'Running' }).filter({ hasText: 'Schedule' })
  await expect(running, 'it fires by itself, and the row appears').toBeVisible({ timeout: 10_000 })
  await stillTheSame()

  await running.getByRole('link').first().click()
  await expect(page).toHaveURL(/\/executions\/[^/]+$/)
  const live = new LiveView(page)
  const sameLog = await sameDocument(page)
  await expect(live.state('Running')).toBeVisible()
  tap.lines(1, 3)
  await expect(live.line(3)).toContainText('line 3')
  tap.lines(4, 6)
  await live.expectLines(1, 6)
  tap.dispose() // and the runs that follow have nothing to wait for
  await expect(live.state('Succeeded')).toBeVisible()
  await sameLog()

  await page.goto(`/jobs?q=${name}`)
  await rowOf(page, name).getByRole('switch').click()
  await expect(rowOf(page, name).getByRole('switch')).not.toBeChecked()
  expect((await api.job(name)).enabled).toBe(false)
})

test('what runs, what failed and what is next appears on Now without reload', async ({ adminPage: page, api, unique, tap }) => {
  const running = unique('now-running')
  const failing = unique('now-failing')
  await api.createJob({ name: failing, schedule: '@every 1h' }, 'echo no disk >&2; exit 3')
  await page.goto('/')
  const stillTheSame = await sameDocument(page)
  const id = await api.start(running, tap.cat)
  await api.run(failing)
  const main = page.getByRole('main')
  await expect(main.getByRole('region', { name: 'Running' }).getByRole('link', { name: running })).toBeVisible({ timeout: 10_000 })
  const problem = main.getByRole('region', { name: 'Failing' }).getByRole('listitem').filter({ hasText: failing })
  await expect(problem).toContainText('exit code 3', { timeout: 10_000 })
  await expect(main.getByRole('region', { name: 'Verdict' })).toContainText(/failing/)
  tap.close()
  await api.reaches(id, 'succeeded')
  await expect(main.getByRole('region', { name: 'Running' }).getByRole('link', { name: running })).toBeHidden({ timeout: 10_000 })
  await stillTheSame()

  await problem.getByRole('button', { name: 'Retry' }).click()
  await expect.poll(async () => (await api.executionsOf(failing)).length).toBe(2)
  await api.http.delete(`/jobs/${failing}`)
})
