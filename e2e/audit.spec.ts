import { expect, expectUsable, test } from './harness/test.ts'

test('who changed what is found, with what it was before, and taken away as a file @nojs', async ({ adminPage: page, api, unique }) => {
  const name = unique('audited')
  await api.createJob({ name, notes: 'as it was' }, 'echo <b>one</b>')
  await page.goto(`/jobs/${name}/edit`)
  await page.getByLabel('Notes', { exact: true }).fill('as it is')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByRole('button', { name: 'Disable' }).click()
  await expect(page.getByRole('button', { name: 'Enable' })).toBeVisible()

  await page.getByRole('link', { name: 'Audit' }).click()
  await page.goto(`/audit?object=${name}`)
  const rows = page.locator('#audit tbody tr')
  await expect(rows).toHaveCount(3)
  await expect(rows.nth(0)).toContainText('disabled the job')
  await expect(rows.nth(1)).toContainText('changed the job')
  await expect(rows.nth(1).getByText('as it was')).toBeVisible()
  await expect(rows.nth(1).getByText('as it is')).toBeVisible()
  await expect(rows.nth(2)).toContainText('made the job')
  await rows.nth(2).getByText(/\d+ fields/).click()
  await expect(rows.nth(2).getByText('echo <b>one</b>')).toBeVisible()
  await rows.nth(0).getByRole('link', { name }).click()
  await expect(page).toHaveURL(`/jobs/${name}`)

  await page.goto(`/audit?object=${name}`)
  for (const kind of ['CSV', 'JSON', 'All as CSV', 'All as JSON']) {
    const waiting = page.waitForEvent('download')
    await page.getByRole('link', { name: kind, exact: true }).click()
    const file = await waiting
    expect(file.suggestedFilename()).toBe(`audit.${kind.split(' ').at(-1)!.toLowerCase()}`)
    const text = await (await file.createReadStream()).toArray()
    expect(Buffer.concat(text).toString().split(name).length, kind).toBeGreaterThan(3)
  }
  await page.goto(`/audit?object=${name}&action=job.run`)
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await page.getByRole('link', { name: 'Show all' }).click()
  await expect(page.getByText(/belfry audit verify --known HASH/)).toBeVisible()
})

test('the filters narrow the list while one types', async ({ adminPage: page, api, unique }) => {
  const name = unique('typed')
  await api.createJob({ name }, 'true')
  await page.goto('/audit')
  await page.getByLabel('Job or other object').fill(name)
  await expect(page.locator('#audit tbody tr')).toHaveCount(1)
  await page.getByLabel('What', { exact: true }).selectOption('Executions')
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await expect(page).toHaveURL(/action=execution\./)
  await page.getByLabel('What', { exact: true }).selectOption('Jobs')
  await expect(page.locator('#audit tbody tr')).toHaveCount(1)
  await expectUsable(page)
})

test('who is no admin sees what was done to jobs only', async ({ page, session, api, unique }) => {
  const name = unique('seen')
  await api.createJob({ name }, 'true')
  await page.context().addCookies(await session('viewer'))
  await page.goto('/audit')
  await expect(page.locator('#audit').getByText(name).first()).toBeVisible()
  await expect(page.locator('#audit').getByText('logged in as')).toHaveCount(0)
  expect((await page.goto('/audit?action=user.'))?.status()).toBe(403)
})
