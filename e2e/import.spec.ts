import { expect, expectUsable, test } from './harness/test.ts'

const job = (name: string, more: object = {}) => ({
  name,
  schedule: '0 30 4 * * *',
  timezone: 'Europe/Berlin',
  executor: 'shell',
  executor_config: { shell: 'true', command: 'echo taken $((1)) over' },
  ...more,
})

test('jobs of a Dkron are looked at, taken over, run, and taken over again without a change @nojs', async ({ adminPage: page, api, unique }) => {
  const [one, child, kafka] = [unique('one'), unique('child'), unique('kafka')]
  const dump = JSON.stringify(
    [
      job(child, { schedule: '', parent_job: one }),
      job(one, { processors: { log: { forward: 'true' }, slack: {} } }),
      job(kafka, { executor: 'kafka' }),
      job('Capital'),
    ],
    null,
    2,
  )
  await page.goto('/jobs')
  await page.getByRole('link', { name: 'Import', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'Import jobs' })).toBeVisible()
  await page.getByRole('combobox', { name: 'System' }).selectOption('dkron')
  await page.getByRole('button', { name: 'Preview' }).click()
  await expect(page.getByLabel('File', { exact: true })).toHaveAccessibleDescription(/is required/)

  await page.getByLabel('Or its text').fill('[{"name":')
  await page.getByRole('button', { name: 'Preview' }).click()
  await expect(page.getByLabel('File', { exact: true })).toHaveAccessibleDescription(/not a list of jobs/)
  await expect(page.getByLabel('Or its text')).toHaveValue('[{"name":')

  await page.getByLabel('Or its text').fill('')
  await page.getByLabel('File', { exact: true }).setInputFiles({ name: 'jobs.json', mimeType: 'application/json', buffer: Buffer.from(dump) })
  await page.getByRole('button', { name: 'Preview' }).click()
  await expect(page.getByText('3 would be made, 1 refused.')).toBeVisible()
  const row = (name: string) => page.getByRole('row').filter({ hasText: name })
  await expect(row('Capital')).toContainText("name contains illegal character 'C'")
  await expect(row(kafka)).toContainText('each run will fail: the executor "kafka" is not known here')
  await expect(row('30 4').filter({ hasText: one })).toContainText('The processor slack is not known here')
  expect((await page.request.get(`/jobs/${one}`)).status(), 'a preview stores nothing').toBe(404)

  await page.getByRole('button', { name: 'Import 3 jobs' }).click()
  await expect(page.getByRole('heading', { name: 'What was done' })).toBeVisible()
  await page.getByRole('link', { name: one, exact: true }).click()
  await expect(page).toHaveURL(`/jobs/${one}`)
  await page.getByRole('button', { name: 'Run now' }).click()
  await expect(page).toHaveURL(/\/executions\//)
  await api.reaches(page.url().split('/').pop()!, 'succeeded')
  await page.reload() // without JavaScript nothing comes by itself
  await expect(page.getByRole('main')).toContainText('taken 1 over')

  await page.goto('/jobs/import')
  await page.getByRole('combobox', { name: 'System' }).selectOption('dkron')
  await page.getByLabel('Or its text').fill(dump)
  await page.getByRole('button', { name: 'Preview' }).click()
  await expect(page.getByText('3 stay as they are, 1 refused, there is nothing to import.')).toBeVisible()
  await expect(page.getByRole('button', { name: /^Import \d/ })).toHaveCount(0)
})

test('the page of an import can be used by everybody, and a job that cannot run here says why', async ({ adminPage: page, api, unique }) => {
  const kafka = unique('kafka')
  await page.goto('/jobs/import')
  await page.getByRole('combobox', { name: 'System' }).selectOption('dkron')
  await expectUsable(page)
  await page.getByLabel('Or its text').fill(JSON.stringify([job(kafka, { executor: 'kafka' }), job(unique('x'), { schedule: '* * * * *' })]))
  await page.getByRole('button', { name: 'Preview' }).click()
  await expect(page.getByText('1 would be made, 1 refused.')).toBeVisible()
  await expectUsable(page)
  await page.getByRole('button', { name: 'Import 1 job' }).click()
  await page.getByRole('link', { name: kafka, exact: true }).click()
  await page.getByRole('button', { name: 'Run now' }).click()
  await expect(page).toHaveURL(/\/executions\//)
  await expect(page.getByText('the executor "kafka" is not known here').first()).toBeVisible()

  // Changing something else leaves what it was.
  await page.goto(`/jobs/${kafka}/edit`)
  await page.getByLabel('Notes').fill('to be moved')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByText(`Saved ${kafka}.`)).toBeVisible()
  expect(await api.job(kafka)).toMatchObject({ executor: 'unsupported', notes: 'to be moved', config: { executor: 'kafka' } })
})

test('who may not edit may not import', async ({ pageOf }) => {
  const page = await pageOf('operator')
  await page.goto('/jobs')
  await expect(page.getByRole('link', { name: 'Import', exact: true })).toHaveCount(0)
  await page.goto('/jobs/import')
  await expect(page.getByText('You may not do that')).toBeVisible()
})

test('a crontab is looked at field by field, taken over, and exported as YAML that changes nothing @phone @nojs', async ({ adminPage: page, unique }) => {
  const name = unique('cron')
  await page.goto('/jobs/import')
  await page.getByRole('combobox', { name: 'System' }).selectOption('crontab')
  await page.getByLabel('Or its text').fill(`MAILTO=ops@example.com\n# Every night.\n30 2 * * *  /opt/${name} --all`)
  await page.getByRole('button', { name: 'Preview' }).click()
  await expect(page.getByText('1 would be made.')).toBeVisible()
  await expect(page.getByText('Its output was mailed to ops@example.com')).toBeVisible()
  await page.getByText(/^\d fields$/).click()
  await expect(page.getByRole('definition').filter({ hasText: 'Every night.' })).toBeVisible()
  await page.getByRole('button', { name: 'Import 1 job' }).click()
  await expect(page.getByText('Imported: 1 made')).toBeVisible()

  const yaml = await (await page.request.get(`/jobs/export?q=${name}`)).text()
  expect(yaml).toContain(`command: /opt/${name} --all`)
  await page.goto('/jobs/import')
  await page.getByRole('combobox', { name: 'System' }).selectOption('belfry')
  await page.getByLabel('Or its text').fill(yaml)
  await page.getByRole('button', { name: 'Preview' }).click()
  await expect(page.getByText('1 stay as they are, there is nothing to import.')).toBeVisible()
  await page.getByLabel('Or its text').fill(yaml.replace('--all', '--some'))
  await page.getByRole('button', { name: 'Preview' }).click()
  await page.getByText('1 field', { exact: true }).click()
  await expect(page.getByRole('definition')).toContainText([`/opt/${name} --all`])
})
