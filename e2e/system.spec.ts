import { readFileSync } from 'node:fs'
import { expect, expectUsable, logIn, password, test } from './harness/test.ts'

test('the system says how it is, and is backed up @nojs @phone', async ({ adminPage: page }) => {
  await page.goto('/settings/system')
  const health = page.getByRole('region', { name: 'Health' })
  await expect(health).toContainText(/Database\s*[\d.]+ [KM]iB\s*SQLite/)
  for (const what of ['Version', 'Started', 'Fires recorded', 'Slots in use', 'Open streams', 'Memory']) await expect(health).toContainText(what)
  await expect(page.getByRole('region', { name: 'Started with' })).toContainText('slots')
  await page.getByRole('button', { name: 'Back up now' }).click()
  await expect(page.getByText(/Copied the database to .*\/backups\/belfry-.*\.db, .*, and checked the copy\./)).toBeVisible()
})

test('backups are listed, downloaded, and deleted after a question @phone', async ({ adminPage: page, api, pageOf }) => {
  const { name, bytes } = await (await api.http.post('/settings/backup')).json()
  await page.goto('/settings/system')
  const backups = page.getByRole('region', { name: /^Backups/ })
  const row = page.getByRole('row').filter({ hasText: name })
  await expect(row).toContainText('when it was made')
  await expect(backups).toContainText(/belfry restore --data .* --force .*\.db/)
  await expectUsable(page, 'the system with backups')
  const [download] = await Promise.all([page.waitForEvent('download'), row.getByRole('link', { name: `Download ${name}` }).click()])
  expect(download.suggestedFilename()).toBe(name)
  const content = readFileSync(await download.path())
  expect(content.length).toBe(bytes)
  expect(content.subarray(0, 15).toString()).toBe('SQLite format 3')
  const part = await api.http.get(`/settings/backups/${name}`, { headers: { Range: 'bytes=7-12' } })
  expect([part.status(), await part.text()]).toEqual([206, 'format'])
  await row.getByRole('button', { name: 'Delete' }).click()
  const question = page.getByRole('dialog', { name: `Delete the backup ${name}?` })
  await expect(question).toBeVisible()
  await expectUsable(page, 'the question before a backup is deleted')
  await question.getByRole('button', { name: 'Keep' }).click()
  await expect(row).toBeVisible()
  await row.getByRole('button', { name: 'Delete' }).click()
  await question.getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByText(`Deleted the backup ${name}.`)).toBeVisible()
  await expect(row).toHaveCount(0)
  await page.goto('/audit?action=backup.')
  await expect(page.getByRole('main')).toContainText('backup.delete')
  await expect(page.getByRole('main')).toContainText('backup.download')
  // Nobody else gets there.
  const editor = await pageOf('editor')
  await editor.goto('/settings/system')
  await expect(editor.getByRole('heading', { name: 'You may not do that' })).toBeVisible()
  await editor.goto('/')
  await expect(editor.getByRole('navigation').getByRole('link', { name: 'Settings' })).toHaveCount(0)
})

test('the configuration in force is shown, and read again @phone @nojs', async ({ adminPage: page }) => {
  await page.goto('/settings/system')
  await page.getByRole('link', { name: 'Configuration' }).click()
  await expect(page.getByRole('region', { name: 'Files and labels' })).toContainText('No configuration file')
  await expect(page.getByRole('region', { name: 'Values for all jobs' }).getByRole('term').first()).toBeVisible()
  await page.getByRole('button', { name: 'Read again' }).click()
  await expect(page.getByText('Read again. Nothing has changed.')).toBeVisible()
})

test('people change their own password, and only they @phone', async ({ browser, quiet, pageOf, api }) => {
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

