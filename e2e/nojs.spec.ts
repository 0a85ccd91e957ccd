import { LiveView } from './harness/live.ts'
import { expect, openPart, rowOf, test } from './harness/test.ts'

// Also run with scripts: what works without them must not be broken by them.

test('everything can be read without JavaScript @nojs', async ({ adminPage: page, api, unique, tap, javaScriptEnabled }) => {
  const name = unique('read')
  await api.createJob({ name, schedule: '0 4 * * *', notes: 'why it exists' }, `echo 'the output'; exit 3`)
  const failed = await api.run(name)
  await api.reaches(failed, 'failed')
  const running = await api.start(`${name}-running`, tap.cat)
  await api.reaches(running, 'running')
  const main = page.getByRole('main')

  await page.goto('/')
  await expect(main.getByRole('region', { name: 'Verdict' })).toContainText('failing')
  await expect(main.getByRole('region', { name: 'Failing' }).getByRole('listitem').filter({ hasText: name })).toContainText('exit code 3')
  await expect(main.getByRole('region', { name: 'Running' })).toContainText(`${name}-running`)

  await page.goto(`/jobs?q=${name}`)
  await expect(rowOf(page, name)).toContainText('at 04:00')
  await expect(rowOf(page, name)).toContainText('0 4 * * *')
  await expect(rowOf(page, name)).toContainText('Failed')

  await rowOf(page, name).getByRole('link', { name, exact: true }).click()
  await expect(main).toContainText('why it exists')
  await expect(main.getByRole('listitem').filter({ hasText: '04:00:00' })).toHaveCount(5)
  await expect(main.getByRole('row').filter({ hasText: 'Failed' })).toContainText('exit code 3')

  await page.goto(`/executions?job=${name}`)
  await rowOf(page, name).getByRole('link', { name, exact: true }).click()
  const live = new LiveView(page)
  await expect(live.state('Failed')).toBeVisible()
  await live.expectLines(1, 1, () => 'the output')
  await expect(live.log).toContainText('exit code 3')

  tap.lines(1, 3)
  await expect.poll(async () => (await api.http.get(`/executions/${running}/output`)).text()).toContain('line 3')
  await page.goto(`/executions/${running}`)
  await live.expectLines(1, 3)
  const offered = { visible: javaScriptEnabled, timeout: 1000 }
  for (const needsScripts of ['Wrap', 'Follow']) {
    await expect(page.getByRole('button', { name: needsScripts }), 'what needs scripts is offered only with them').toBeVisible(offered)
  }
  await api.http.delete(`/jobs/${name}`)
})

test('forms work without JavaScript @nojs', async ({ adminPage: page, api, unique, tap, javaScriptEnabled }) => {
  const name = unique('forms')
  await page.goto('/jobs')
  await page.getByRole('link', { name: 'New job' }).first().click()
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByLabel('Command', { exact: true }).fill(tap.cat)
  await openPart(page, 'When')
  await page.getByLabel('Schedule', { exact: true }).fill('@daily')
  await page.getByRole('button', { name: 'Create job' }).click()
  await expect(page.getByText(`Created ${name}.`)).toBeVisible()

  await page.getByRole('button', { name: 'Disable' }).click()
  await expect(page.getByText(`Disabled ${name}.`)).toBeVisible()
  await page.goto(`/jobs?q=${name}`)
  await rowOf(page, name).getByRole('switch').click()
  await expect.poll(async () => (await api.job(name)).enabled).toBe(true)

  await page.goto(`/jobs/${name}`)
  await page.getByRole('button', { name: 'Run now' }).click()
  await expect(page).toHaveURL(/\/executions\//)
  await expect.poll(async () => (await api.executionsOf(name))[0]?.state).toBe('running')
  await page.reload()
  await page.getByRole('button', { name: 'Stop' }).click()
  if (javaScriptEnabled) await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click()
  await expect(page.getByText('Stopping.')).toBeVisible()
  await expect.poll(async () => (await api.executionsOf(name))[0]?.state).toBe('cancelled')
  await page.reload()
  await expect(page.getByRole('region', { name: 'Lines of output' })).toContainText('stopped by admin')

  await page.goto(`/jobs/${name}`)
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(page).toHaveURL('/jobs')
  expect((await api.http.get(`/jobs/${name}`)).status()).toBe(404)
})
