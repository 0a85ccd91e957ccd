import { adminPassword } from './harness/server.ts'
import { expect, fillLogin, logIn, statusWith, test } from './harness/test.ts'

test('a wrong password is refused in words, the right one lets in @nojs', async ({ page }) => {
  await page.goto('/login')
  await fillLogin(page, 'admin', 'wrong')
  await expect(page).toHaveURL(/\/login/)
  await expect(page.getByRole('alert')).toBeVisible()
  await expect(page.getByLabel('User')).toHaveValue('admin')
  await expect(page.getByLabel('Password')).toHaveValue('')
  await fillLogin(page, 'nobody-of-this-name', 'wrong')
  await expect(page.getByRole('alert'), 'the words do not tell whether the user exists').toHaveText(/password/i)
  await logIn(page, 'admin', adminPassword)
  await expect(page.getByRole('heading', { name: 'Now', level: 1 })).toBeVisible()
})

test('a login leads back to where one was going, on this server only @phone', async ({ page, server }) => {
  await page.goto('/executions?state=failed')
  await expect(page).toHaveURL(/\/login\?next=/)
  await fillLogin(page, 'admin', 'wrong')
  await expect(page.getByRole('alert')).toBeVisible()
  await fillLogin(page, 'admin', adminPassword)
  await expect(page).toHaveURL('/executions?state=failed')

  for (const elsewhere of ['//example.com/', 'https://example.com/', '/\\example.com/']) {
    await page.goto('about:blank') // an open page that loses its session leads to the login by itself
    await page.context().clearCookies()
    await page.goto(`/login?next=${encodeURIComponent(elsewhere)}`)
    await fillLogin(page, 'admin', adminPassword)
    await expect(page).toHaveURL(`${server.url}/`)
  }
})

test('logging out ends the session, also for a cookie that somebody kept @phone @nojs', async ({ page, server }) => {
  await logIn(page, 'admin', adminPassword)
  const before = await page.context().cookies()
  expect(before.every((cookie) => cookie.httpOnly), 'no script reads the cookies').toBe(true)
  expect(await statusWith(server.url, before)).toBe(200)

  await page.getByRole('button', { name: ': menu' }).click()
  await page.getByRole('button', { name: 'Log out' }).click()
  await expect(page).toHaveURL(/\/login/)
  expect(await statusWith(server.url, before)).toBe(401)
  await page.goto('/jobs')
  await expect(page).toHaveURL(/\/login/)
})

test('a login begins a session of its own, and ends the one before', async ({ page, server }) => {
  await logIn(page, 'admin', adminPassword)
  const first = await page.context().cookies()
  const again = await page.request.post('/login', { form: { username: 'admin', password: adminPassword }, maxRedirects: 0 })
  expect(again.status()).toBe(303)
  const second = await page.context().cookies()
  expect(second.map((cookie) => cookie.value)).not.toEqual(first.map((cookie) => cookie.value))
  expect(await statusWith(server.url, second)).toBe(200)
  expect(await statusWith(server.url, first)).toBe(401)
})
