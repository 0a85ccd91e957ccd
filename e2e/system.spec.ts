import { expect, expectUsable, logIn, password, test } from './harness/test.ts'

test('the system says how it is, and is backed up @nojs', async ({ adminPage: page }) => {
  await page.goto('/settings/system')
  const health = page.getByRole('region', { name: 'Health' })
  await expect(health).toContainText(/Database\s*[\d.]+ [KM]iB\s*SQLite/)
  await expect(page.getByRole('region', { name: 'Started with' })).toContainText('slots')
  await page.getByRole('button', { name: 'Back up now' }).click()
  await expect(page.getByText(/Copied the database to .*\/backups\/belfry-.*\.db, .*, and checked the copy\./)).toBeVisible()
})

test('people change their own password, and only they', async ({ browser, quiet, pageOf, api }) => {
  await pageOf('viewer') // makes the user
  const own = 'changes-it'
  await api.createUser(own, password, 'viewer')
  const context = await browser.newContext()
  quiet(context)
  const page = await context.newPage()
  await logIn(page, own, password)
  await page.getByRole('button', { name: ': menu' }).click()
  await page.getByRole('link', { name: 'Your account' }).click()
  await page.getByLabel('Present password').fill('not it at all')
  await page.getByLabel('New password', { exact: true }).fill('another good one')
  await page.getByLabel('New password again').fill('another good one')
  await page.getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByText('is not your password')).toBeVisible()
  await expectUsable(page, 'the account with an error')
  await page.getByLabel('Present password').fill(password)
  await page.getByLabel('New password', { exact: true }).fill('another good one')
  await page.getByLabel('New password again').fill('another good one')
  await page.getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByText('Changed your password')).toBeVisible()
  await context.clearCookies()
  await logIn(page, own, 'another good one')
  await context.close()
})

test('the settings can be used by all', async ({ adminPage: page }) => {
  for (const path of ['/settings/system', '/search?q=a', '/jobs/new']) {
    await page.goto(path)
    await expectUsable(page, path)
  }
})

